import { createAnthropic } from '@ai-sdk/anthropic'
import { createGoogleGenerativeAI } from '@ai-sdk/google'
import { createOpenAI } from '@ai-sdk/openai'
import { embedMany, generateObject, generateText, jsonSchema, stepCountIs, streamText, tool } from 'ai'
import { callOne, callTwo, clock, person, pixel, result, say, weather } from './common.mjs'

/** The Vercel AI SDK over one of its providers. `reasoning` is what has the model think, where that is shown. */
function sdk(name, model, reasoning, embeddings) {
  const tools = (seen) => Object.fromEntries([weather, clock].map((t) => [t.name, tool({
    description: t.description, inputSchema: jsonSchema(t.schema),
    execute: (args) => { seen.push({ name: t.name, args }); return `${result} ${t.name}` },
  })]))
  const loop = async (id, prompt, more) => {
    const calls = []
    const end = await generateText({ model: model(id), prompt, tools: tools(calls), stopWhen: stepCountIs(3), maxRetries: 0, ...more })
    return { calls, text: end.text, thought: end.steps.map((s) => s.reasoningText ?? '').join('') }
  }
  return {
    name,
    async text(id) {
      const a = await generateText({ model: model(id), prompt: say, maxRetries: 0 })
      return { text: a.text, input: a.usage.inputTokens, output: a.usage.outputTokens }
    },
    async stream(id) {
      let text = '', chunks = 0
      const a = streamText({ model: model(id), prompt: say, maxRetries: 0, onError() {} })
      for await (const part of a.textStream) { text += part; chunks++ }
      const usage = await a.usage
      return { text, chunks, input: usage.inputTokens, output: usage.outputTokens }
    },
    toolLoop: (id) => loop(id, callOne),
    parallel: (id) => loop(id, callTwo),
    thinking: reasoning && ((id) => loop(id, callOne, { providerOptions: reasoning, maxOutputTokens: 8000 })),
    embed: embeddings && (async (id) => (await embedMany({ model: embeddings(id), values: ['one', 'two'], maxRetries: 0 })).embeddings),
    async structured(id) {
      return (await generateObject({ model: model(id), prompt: 'Make up a person.', schema: jsonSchema(person), maxRetries: 0 })).object
    },
    async image(id) {
      const content = [{ type: 'text', text: say }, { type: 'image', image: Buffer.from(pixel, 'base64') }]
      return (await generateText({ model: model(id), messages: [{ role: 'user', content }], maxRetries: 0 })).text
    },
    failure: (id) => generateText({ model: model(id), prompt: say, maxRetries: 0 }),
    async abort(id, signal) {
      let failure
      const a = streamText({ model: model(id), prompt: say, abortSignal: signal, maxRetries: 0, onError: ({ error }) => { failure = error } })
      for await (const part of a.fullStream) {
        if (part.type === 'text-delta') signal.seen?.()
        if (part.type === 'abort') throw new DOMException('aborted', 'AbortError')
      }
      if (failure) throw failure
    },
  }
}

export const aiOpenAI = ({ url, key }) => {
  const openai = createOpenAI({ baseURL: `${url}/v1`, apiKey: key })
  return sdk('ai over openai chat', openai.chat, undefined, openai.embeddingModel) // which shows no thinking
}
export const aiResponses = ({ url, key }) => sdk('ai over openai responses', createOpenAI({ baseURL: `${url}/v1`, apiKey: key }).responses,
  { openai: { reasoningEffort: 'high', reasoningSummary: 'auto', forceReasoning: true, store: false, include: ['reasoning.encrypted_content'] } })
export const aiAnthropic = ({ url, key }) => sdk('ai over anthropic', createAnthropic({ baseURL: `${url}/v1`, apiKey: key }),
  { anthropic: { thinking: { type: 'enabled', budgetTokens: 2000 } } })
export const aiGoogle = ({ url, key }) => {
  const google = createGoogleGenerativeAI({ baseURL: `${url}/v1beta`, apiKey: key })
  return sdk('ai over google', google, { google: { thinkingConfig: { includeThoughts: true, thinkingBudget: 2000 } } }, google.embeddingModel)
}
