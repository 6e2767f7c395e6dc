import Anthropic from '@anthropic-ai/sdk'
import { callOne, callTwo, clock, person, pixel, result, say, weather } from './common.mjs'

const tools = [weather, clock].map((t) => ({ name: t.name, description: t.description, input_schema: t.schema }))
const text = (m) => m.content.filter((b) => b.type === 'text').map((b) => b.text).join('')
const calls = (m) => m.content.filter((b) => b.type === 'tool_use').map((b) => ({ name: b.name, args: b.input }))
const answer = (m) => ({ role: 'user', content: m.content.filter((b) => b.type === 'tool_use')
  .map((b) => ({ type: 'tool_result', tool_use_id: b.id, content: `${result} ${b.name}` })) })

export function anthropic({ url, key }) {
  const client = new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0 })
  const create = (model, messages, more) => client.messages.create({ model, max_tokens: 1000, messages, ...more })
  const user = (content) => ({ role: 'user', content })
  return {
    name: 'anthropic',
    async text(model) {
      const a = await create(model, [user(say)])
      return { text: text(a), input: a.usage.input_tokens, output: a.usage.output_tokens }
    },
    async stream(model) {
      let chunks = 0
      const stream = client.messages.stream({ model, max_tokens: 1000, messages: [user(say)] })
      for await (const _ of stream) chunks++
      const end = await stream.finalMessage()
      return { text: text(end), chunks, input: end.usage.input_tokens, output: end.usage.output_tokens }
    },
    async toolLoop(model) {
      const first = await client.messages.stream({ model, max_tokens: 1000, messages: [user(callOne)], tools }).finalMessage()
      const messages = [user(callOne), { role: 'assistant', content: first.content }, answer(first)]
      return { calls: calls(first), text: text(await create(model, messages, { tools })) }
    },
    async parallel(model) {
      const first = await create(model, [user(callTwo)], { tools })
      const messages = [user(callTwo), { role: 'assistant', content: first.content }, answer(first)]
      return { calls: calls(first), text: text(await create(model, messages, { tools })) }
    },
    async structured(model) {
      const format = { type: 'json_schema', schema: person }
      return JSON.parse(text(await create(model, [user('Make up a person.')], { output_config: { format } })))
    },
    async thinking(model) {
      const more = { tools, max_tokens: 8000, thinking: { type: 'enabled', budget_tokens: 2000 } }
      const first = await client.messages.stream({ model, messages: [user(callOne)], ...more }).finalMessage()
      const second = await create(model, [user(callOne), { role: 'assistant', content: first.content }, answer(first)], more)
      return { thought: first.content.filter((b) => b.type === 'thinking').map((b) => b.thinking).join(''), text: text(second) }
    },
    async image(model) {
      const source = { type: 'base64', media_type: 'image/png', data: pixel }
      return text(await create(model, [user([{ type: 'text', text: say }, { type: 'image', source }])]))
    },
    failure: (model) => create(model, [user(say)]),
    async abort(model, signal) {
      for await (const _ of await client.messages.create({ model, max_tokens: 1000, messages: [user(say)], stream: true }, { signal })) signal.seen?.()
    },
  }
}
