import OpenAI from 'openai'
import { callOne, callTwo, clock, person, pixel, result, say, weather } from './common.mjs'

const tools = [weather, clock].map((t) => ({ type: 'function', function: { name: t.name, description: t.description, parameters: t.schema } }))
const calls = (message) => (message.tool_calls ?? []).map((c) => ({ name: c.function.name, args: JSON.parse(c.function.arguments) }))

export function openaiChat({ url, key }) {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 })
  const chat = (model, messages, more) => client.chat.completions.create({ model, messages, ...more })
  const user = (content) => ({ role: 'user', content })
  return {
    name: 'openai chat',
    async text(model) {
      const a = await chat(model, [user(say)])
      return { text: a.choices[0].message.content, input: a.usage.prompt_tokens, output: a.usage.completion_tokens }
    },
    async stream(model) {
      let text = '', chunks = 0, usage
      for await (const c of await chat(model, [user(say)], { stream: true, stream_options: { include_usage: true } })) {
        chunks++
        text += c.choices[0]?.delta?.content ?? ''
        usage = c.usage ?? usage
      }
      return { text, chunks, input: usage.prompt_tokens, output: usage.completion_tokens }
    },
    async toolLoop(model) {
      const messages = [user(callOne)]
      const stream = client.chat.completions.stream({ model, messages, tools })
      const { message } = (await stream.finalChatCompletion()).choices[0]
      messages.push(message, { role: 'tool', tool_call_id: message.tool_calls[0].id, content: result })
      const end = await chat(model, messages, { tools })
      return { calls: calls(message), text: end.choices[0].message.content }
    },
    async parallel(model) {
      const a = await chat(model, [user(callTwo)], { tools })
      const messages = [user(callTwo), a.choices[0].message,
        ...a.choices[0].message.tool_calls.map((c) => ({ role: 'tool', tool_call_id: c.id, content: `${result} ${c.function.name}` }))]
      const end = await chat(model, messages, { tools })
      return { calls: calls(a.choices[0].message), text: end.choices[0].message.content }
    },
    async structured(model) {
      const format = { type: 'json_schema', json_schema: { name: 'person', strict: true, schema: person } }
      return JSON.parse((await chat(model, [user('Make up a person.')], { response_format: format })).choices[0].message.content)
    },
    async thinking(model) {
      const first = (await chat(model, [user(callOne)], { tools, reasoning_effort: 'high', max_completion_tokens: 40000 })).choices[0].message
      const messages = [user(callOne), first, { role: 'tool', tool_call_id: first.tool_calls[0].id, content: result }]
      const second = (await chat(model, messages, { tools, reasoning_effort: 'high', max_completion_tokens: 40000 })).choices[0].message
      return { thought: first.reasoning_content ?? '', text: second.content }
    },
    async image(model) {
      const content = [{ type: 'text', text: say }, { type: 'image_url', image_url: { url: `data:image/png;base64,${pixel}` } }]
      return (await chat(model, [user(content)])).choices[0].message.content
    },
    async embed(model) {
      const a = await client.embeddings.create({ model, input: ['one', 'two'] })
      return a.data.map((d) => d.embedding)
    },
    failure: (model) => chat(model, [user(say)]),
    async abort(model, signal) {
      for await (const _ of await client.chat.completions.create({ model, messages: [user(say)], stream: true }, { signal })) signal.seen?.()
    },
  }
}
