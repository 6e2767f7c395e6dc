import { GoogleGenAI } from '@google/genai'
import { callOne, callTwo, clock, person, pixel, result, say, weather } from './common.mjs'

const tools = [{ functionDeclarations: [weather, clock].map((t) => ({ name: t.name, description: t.description, parametersJsonSchema: t.schema })) }]
const calls = (a) => (a.functionCalls ?? []).map((c) => ({ name: c.name, args: c.args }))
const answer = (a) => ({ role: 'user', parts: a.functionCalls.map((c) => ({ functionResponse: { id: c.id, name: c.name, response: { output: `${result} ${c.name}` } } })) })
const text = (a) => a.candidates[0].content.parts.filter((p) => p.text && !p.thought).map((p) => p.text).join('')

export function genai({ url, key }) {
  const client = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: url, retryOptions: { attempts: 1 } } })
  const generate = (model, contents, config) => client.models.generateContent({ model, contents, config })
  const user = (...parts) => ({ role: 'user', parts })
  return {
    name: 'genai',
    async text(model) {
      const a = await generate(model, say)
      return { text: text(a), input: a.usageMetadata.promptTokenCount, output: a.usageMetadata.candidatesTokenCount }
    },
    async stream(model) {
      let all = '', chunks = 0, usage
      for await (const c of await client.models.generateContentStream({ model, contents: say })) {
        chunks++
        all += c.text ?? ''
        usage = c.usageMetadata ?? usage
      }
      return { text: all, chunks, input: usage.promptTokenCount, output: usage.candidatesTokenCount }
    },
    async toolLoop(model) {
      const first = await generate(model, [user({ text: callOne })], { tools })
      const end = await generate(model, [user({ text: callOne }), first.candidates[0].content, answer(first)], { tools })
      return { calls: calls(first), text: text(end) }
    },
    async parallel(model) {
      const first = await generate(model, [user({ text: callTwo })], { tools })
      const end = await generate(model, [user({ text: callTwo }), first.candidates[0].content, answer(first)], { tools })
      return { calls: calls(first), text: text(end) }
    },
    async structured(model) {
      return JSON.parse(text(await generate(model, 'Make up a person.', { responseMimeType: 'application/json', responseJsonSchema: person })))
    },
    async thinking(model) {
      const config = { tools, thinkingConfig: { includeThoughts: true, thinkingBudget: 2000 } }
      const first = await generate(model, [user({ text: callOne })], config)
      const second = await generate(model, [user({ text: callOne }), first.candidates[0].content, answer(first)], config)
      return { thought: first.candidates[0].content.parts.filter((p) => p.thought).map((p) => p.text).join(''), text: text(second) }
    },
    async image(model) {
      return text(await generate(model, [user({ text: say }, { inlineData: { mimeType: 'image/png', data: pixel } })]))
    },
    async embed(model) {
      const a = await client.models.embedContent({ model, contents: ['one', 'two'] })
      return a.embeddings.map((e) => e.values)
    },
    failure: (model) => generate(model, say),
    async abort(model, signal) {
      for await (const _ of await client.models.generateContentStream({ model, contents: say, config: { abortSignal: signal } })) signal.seen?.()
    },
  }
}
