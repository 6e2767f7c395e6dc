import { ChatAnthropic } from '@langchain/anthropic'
import { HumanMessage, ToolMessage } from '@langchain/core/messages'
import { ChatGoogleGenerativeAI } from '@langchain/google-genai'
import { ChatOpenAI } from '@langchain/openai'
import { callOne, callTwo, clock, person, pixel, result, say, weather } from './common.mjs'

const tools = [weather, clock].map((t) => ({ name: t.name, description: t.description, schema: t.schema }))
const calls = (m) => m.tool_calls.map((c) => ({ name: c.name, args: c.args }))

/** LangChain over one of its chat models. */
function chain(name, make) {
  const loop = async (model, prompt) => {
    const chat = make(model).bindTools(tools)
    const first = await chat.invoke([new HumanMessage(prompt)])
    const results = first.tool_calls.map((c) => new ToolMessage({ tool_call_id: c.id, name: c.name, content: `${result} ${c.name}` }))
    const end = await chat.invoke([new HumanMessage(prompt), first, ...results])
    return { calls: calls(first), text: end.text }
  }
  return {
    name,
    async text(model) {
      const a = await make(model).invoke(say)
      return { text: a.text, input: a.usage_metadata.input_tokens, output: a.usage_metadata.output_tokens }
    },
    async stream(model) {
      let all, chunks = 0
      for await (const c of await make(model).stream(say)) {
        chunks++
        all = all ? all.concat(c) : c
      }
      return { text: all.text, chunks, input: all.usage_metadata.input_tokens, output: all.usage_metadata.output_tokens }
    },
    toolLoop: (model) => loop(model, callOne),
    parallel: (model) => loop(model, callTwo),
    structured: (model) => make(model).withStructuredOutput({ title: 'person', description: 'A person.', ...person }).invoke('Make up a person.'),
    async image(model) {
      const content = [{ type: 'text', text: say }, { type: 'image_url', image_url: { url: `data:image/png;base64,${pixel}` } }]
      return (await make(model).invoke([new HumanMessage({ content })])).text
    },
    failure: (model) => make(model).invoke(say),
    async abort(model, signal) {
      for await (const _ of await make(model).stream(say, { signal })) signal.seen?.()
    },
  }
}

const common = { maxRetries: 0 }
export const chainOpenAI = ({ url, key }) => chain('langchain over openai chat', (model) => new ChatOpenAI({ ...common, model, apiKey: key, configuration: { baseURL: `${url}/v1` } }))
export const chainResponses = ({ url, key }) => chain('langchain over openai responses', (model) => new ChatOpenAI({ ...common, model, apiKey: key, useResponsesApi: true, zdrEnabled: true, configuration: { baseURL: `${url}/v1` } }))
export const chainAnthropic = ({ url, key }) => chain('langchain over anthropic', (model) => new ChatAnthropic({ ...common, model, apiKey: key, anthropicApiUrl: url, maxTokens: 1000 }))
export const chainGoogle = ({ url, key }) => ({
  ...chain('langchain over google', (model) => new ChatGoogleGenerativeAI({ ...common, model, apiKey: key, baseUrl: url })),
  abort: undefined, // aborted, its client rejects a promise that nobody holds, which ends Node
})
