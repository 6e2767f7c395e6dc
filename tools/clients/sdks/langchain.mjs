import { ChatAnthropic } from '@langchain/anthropic'
import { HumanMessage, ToolMessage } from '@langchain/core/messages'
import { ChatGoogleGenerativeAI, GoogleGenerativeAIEmbeddings } from '@langchain/google-genai'
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai'
import { callOne, callTwo, clock, person, pixel, result, say, weather } from './common.mjs'

const tools = [weather, clock].map((t) => ({ name: t.name, description: t.description, schema: t.schema }))
const calls = (m) => m.tool_calls.map((c) => ({ name: c.name, args: c.args }))

const thoughts = (...messages) => messages.flatMap((m) => m.contentBlocks).map((b) => b.reasoning ?? b.thinking ?? '').join('') // Google's model has the latter

/** LangChain over one of its chat models, and of its embeddings. `reasoning` is what has the model think, where that is shown. */
function chain(name, make, reasoning, embeddings) {
  const loop = async (model, prompt, more) => {
    const chat = make(model, more).bindTools(tools)
    const first = await chat.invoke([new HumanMessage(prompt)])
    const results = first.tool_calls.map((c) => new ToolMessage({ tool_call_id: c.id, name: c.name, content: `${result} ${c.name}` }))
    const end = await chat.invoke([new HumanMessage(prompt), first, ...results])
    return { calls: calls(first), text: end.text, thought: thoughts(first, end) }
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
    thinking: reasoning && ((model) => loop(model, callOne, reasoning)),
    embed: embeddings && ((model) => embeddings(model).embedDocuments(['one', 'two'])),
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
export const chainOpenAI = ({ url, key }) => chain('langchain over openai chat',
  (model) => new ChatOpenAI({ ...common, model, apiKey: key, configuration: { baseURL: `${url}/v1` } }),
  undefined, // it shows no thinking
  (model) => new OpenAIEmbeddings({ ...common, model, apiKey: key, configuration: { baseURL: `${url}/v1` } }))
export const chainResponses = ({ url, key }) => chain('langchain over openai responses',
  (model, more) => new ChatOpenAI({ ...common, model, apiKey: key, useResponsesApi: true, zdrEnabled: true, configuration: { baseURL: `${url}/v1` }, ...more }),
  { modelKwargs: { reasoning: { effort: 'high', summary: 'auto' }, include: ['reasoning.encrypted_content'] } }) // its own option heeds some models' names alone
export const chainAnthropic = ({ url, key }) => chain('langchain over anthropic',
  (model, more) => new ChatAnthropic({ ...common, model, apiKey: key, anthropicApiUrl: url, maxTokens: 1000, ...more }),
  { thinking: { type: 'enabled', budget_tokens: 2000 }, maxTokens: 8000 })
export const chainGoogle = ({ url, key }) => ({
  ...chain('langchain over google', (model, more) => new ChatGoogleGenerativeAI({ ...common, model, apiKey: key, baseUrl: url, ...more }),
    { thinkingConfig: { includeThoughts: true, thinkingBudget: 2000 } },
    (model) => new GoogleGenerativeAIEmbeddings({ ...common, model, apiKey: key, baseUrl: url })),
  abort: undefined, // aborted, its client rejects a promise that nobody holds, which ends Node
})
