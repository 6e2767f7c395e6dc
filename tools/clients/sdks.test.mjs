// Every client against every upstream dialect: each must be served as by its own vendor.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startGateway, upstreams } from './gateway.mjs'
import { aiAnthropic, aiGoogle, aiOpenAI, aiResponses } from './sdks/ai.mjs'
import { anthropic } from './sdks/anthropic.mjs'
import { result, said } from './sdks/common.mjs'
import { genai } from './sdks/genai.mjs'
import { chainAnthropic, chainGoogle, chainOpenAI, chainResponses } from './sdks/langchain.mjs'
import { openaiChat } from './sdks/openai-chat.mjs'
import { openaiResponses } from './sdks/openai-responses.mjs'

const clients = [openaiChat, openaiResponses, anthropic, genai, aiOpenAI, aiResponses, aiAnthropic, aiGoogle,
  chainOpenAI, chainResponses, chainAnthropic, chainGoogle]
let gateway
before(async () => { gateway = await startGateway() })
after(() => gateway?.stop())

/** cases: what is asked of the model's knobs, and what must come of it. */
const cases = {
  async text(c, model) {
    const a = await c.text(await model())
    assert.equal(a.text, said)
    assert.ok(a.input > 0 && a.output > 0, `usage ${a.input}, ${a.output}`)
  },
  async stream(c, model) {
    const a = await c.stream(await model())
    assert.equal(a.text, said)
    assert.ok(a.chunks > 1, `${a.chunks} chunks`)
    assert.ok(a.input > 0 && a.output > 0, `usage ${a.input}, ${a.output}`)
  },
  async toolLoop(c, model) {
    const a = await c.toolLoop(await model())
    assert.deepEqual(a.calls, [{ name: 'get_weather', args: { city: 'Paris' } }])
    assert.match(a.text, new RegExp(result))
  },
  async parallel(c, model) {
    const a = await c.parallel(await model())
    assert.deepEqual(a.calls, [{ name: 'get_weather', args: { city: 'Paris' } }, { name: 'get_time', args: { zone: 'CET' } }])
    assert.match(a.text, new RegExp(`${result} get_time`)) // the simulator quotes the last
  },
  async structured(c, model) {
    const a = await c.structured(await model())
    assert.equal(typeof a.name, 'string')
    assert.ok(Number.isInteger(a.age))
  },
  async thinking(c, model) {
    const a = await c.thinking(await model('thinking=on&reasoning=12'))
    assert.ok(a.thought.length > 0, 'no thinking came')
    assert.match(a.text, new RegExp(result))
  },
  async image(c, model) { assert.equal(await c.image(await model()), said) },
  async failure(c, model) {
    const model429 = await model('error=429')
    await assert.rejects(c.failure(model429), (e) => {
      const status = e.status ?? e.statusCode ?? e.code ?? e.response?.status
      assert.ok(Number(status) === 429 || /\b429\b/.test(e.message), `${status}: ${e.message}`)
      return true
    })
  },
  async abort(c, model) {
    const slow = await model('tps=20&tokens=400')
    const controller = new AbortController()
    let seen = 0
    controller.signal.seen = () => { seen++; controller.abort() }
    const failed = await c.abort(slow, controller.signal).then(() => null, (e) => e) // some clients just end
    assert.ok(controller.signal.aborted, `nothing came: ${failed}`)
    assert.ok(seen < 100, `${seen} pieces came of a stream that was aborted at the first`)
  },
}

for (const make of clients) {
  const { name, ...can } = make({ url: 'http://localhost', key: 'none' })
  describe(name, { concurrency: true }, () => {
    for (const dialect of upstreams) {
      for (const [what, run] of Object.entries(cases)) {
        if (!can[what]) continue // this client has no way to ask for it
        test(`${what} from ${dialect}`, { timeout: 30_000 }, () => run(make(gateway), (knobs) => gateway.model(dialect, knobs)))
      }
    }
  })
}

describe('embeddings', () => {
  for (const make of clients) {
    const { name, embed } = make({ url: 'http://localhost', key: 'none' })
    if (!embed) continue
    for (const dialect of ['openai', 'gemini']) {
      test(`${name} from ${dialect}`, { timeout: 30_000 }, async () => {
        const vectors = await make(gateway).embed(await gateway.model(dialect))
        assert.equal(vectors.length, 2)
        for (const v of vectors) assert.ok(v.length > 1 && v.every(Number.isFinite), `vector of ${v.length}`)
      })
    }
  }
})
