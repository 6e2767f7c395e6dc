import OpenAI from 'openai'
import { callOne, callTwo, clock, person, pixel, result, say, weather } from './common.mjs'

const tools = [weather, clock].map((t) => ({ type: 'function', name: t.name, description: t.description, parameters: t.schema, strict: true }))
const calls = (a) => a.output.filter((i) => i.type === 'function_call').map((c) => ({ name: c.name, args: JSON.parse(c.arguments) }))
const answers = (a) => a.output.filter((i) => i.type === 'function_call')
  .map((c) => ({ type: 'function_call_output', call_id: c.call_id, output: `${result} ${c.name}` }))

export function openaiResponses({ url, key }) {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 })
  const create = (model, input, more) => client.responses.create({ model, input, store: false, ...more })
  return {
    name: 'openai responses',
    async text(model) {
      const a = await create(model, say)
      return { text: a.output_text, input: a.usage.input_tokens, output: a.usage.output_tokens }
    },
    async stream(model) {
      let chunks = 0, text = ''
      const stream = client.responses.stream({ model, input: say, store: false })
      for await (const e of stream) {
        chunks++
        if (e.type === 'response.output_text.delta') text += e.delta
      }
      const end = await stream.finalResponse()
      if (end.output_text !== text) throw new Error(`the end says ${end.output_text}, the deltas ${text}`)
      return { text, chunks, input: end.usage.input_tokens, output: end.usage.output_tokens }
    },
    async toolLoop(model) {
      const stream = client.responses.stream({ model, input: callOne, tools, store: false })
      const first = await stream.finalResponse()
      for (const item of first.output) delete item.parsed_arguments // the client's own, which the vendor refuses
      const input = [{ role: 'user', content: callOne }, ...first.output, ...answers(first)]
      return { calls: calls(first), text: (await create(model, input, { tools })).output_text }
    },
    async parallel(model) {
      const first = await create(model, callTwo, { tools })
      const input = [{ role: 'user', content: callTwo }, ...first.output, ...answers(first)]
      return { calls: calls(first), text: (await create(model, input, { tools })).output_text }
    },
    async structured(model) {
      const text = { format: { type: 'json_schema', name: 'person', strict: true, schema: person } }
      return JSON.parse((await create(model, 'Make up a person.', { text })).output_text)
    },
    async thinking(model) {
      const more = { tools, reasoning: { effort: 'high', summary: 'auto' }, include: ['reasoning.encrypted_content'], max_output_tokens: 40000 }
      const first = await create(model, callOne, more)
      const second = await create(model, [{ role: 'user', content: callOne }, ...first.output, ...answers(first)], more)
      const thought = first.output.filter((i) => i.type === 'reasoning').flatMap((i) => i.summary.map((s) => s.text)).join('')
      return { thought, text: second.output_text }
    },
    async image(model) {
      const content = [{ type: 'input_text', text: say }, { type: 'input_image', image_url: `data:image/png;base64,${pixel}`, detail: 'auto' }]
      return (await create(model, [{ role: 'user', content }])).output_text
    },
    failure: (model) => create(model, say),
    async abort(model, signal) {
      for await (const _ of await client.responses.create({ model, input: say, store: false, stream: true }, { signal })) signal.seen?.()
    },
  }
}
