// A gateway for tests: the built binary as `dev` runs it, with its simulator as one upstream for each dialect.
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export const upstreams = ['openai', 'responses', 'anthropic', 'gemini']

/** Builds and starts a gateway. `stop` ends it and removes what it kept. */
export async function startGateway() {
  const dir = mkdtempSync(join(tmpdir(), 'aihigress-clients-'))
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const binary = join(dir, 'aihigress')
  execFileSync('go', ['build', '-o', binary, '.'], { cwd: root, stdio: 'inherit' })
  const child = spawn(binary, ['dev', '--json', '--listen', '127.0.0.1:0', '--data-dir', join(dir, 'data')],
    { stdio: ['ignore', 'pipe', 'pipe'] })
  let log = ''
  child.stderr.on('data', (text) => { log = (log + text).slice(-64 << 10) })
  const exited = new Promise((resolve) => child.once('exit', resolve))
  const line = await Promise.race([
    new Promise((resolve) => createInterface({ input: child.stdout }).once('line', resolve)),
    exited.then(() => { throw new Error(`the gateway ended:\n${log}`) }),
  ])
  const dev = JSON.parse(line)
  const stop = async () => {
    child.kill('SIGTERM')
    await exited
    rmSync(dir, { recursive: true, force: true })
  }
  try {
    const admin = await signIn(dev)
    const providers = {}
    for (const dialect of upstreams) providers[dialect] = await createProvider(admin, dev, dialect)
    return { url: dev.url, key: dev.api_key, model: modelMaker(admin, dev, providers), log: () => log, stop }
  } catch (e) {
    await stop()
    throw e
  }
}

/** Says to an admin's GraphQL what it needs, and fails on anything but success. */
async function signIn(dev) {
  const call = async (token, query, variables) => {
    const response = await fetch(dev.graphql, {
      method: 'POST', headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
      body: JSON.stringify({ query, variables }),
    })
    const answer = await response.json()
    const payload = answer.data && Object.values(answer.data)[0]
    if (answer.errors || payload.userErrors?.length) throw new Error(JSON.stringify(answer))
    return payload
  }
  const { accessToken } = await call('', 'mutation($in: SignInInput!) { signIn(input: $in) { accessToken userErrors { message } } }', { in: dev.admin })
  return (query, input) => call(accessToken, query, { in: input })
}

async function createProvider(admin, dev, dialect) {
  const root = dev.simulator.replace(/\/v1\/?$/, '')
  const baseUrl = { openai: `${root}/v1`, responses: `${root}/v1`, anthropic: root, gemini: `${root}/v1beta` }[dialect]
  const { provider } = await admin('mutation($in: CreateProviderInput!) { createProvider(input: $in) { provider { id } userErrors { message } } }', {
    name: `upstream ${dialect}`, slug: `up-${dialect}`, dialect: dialect.toUpperCase(), baseUrl, acceptAnyModel: true,
    allowPrivate: true, keys: [{ secret: `sk-sim-${dialect}` }],
  })
  return provider.id
}

/**
 * model(dialect, knobs) is the name of a model that the simulator serves in a dialect, made at first use. It says vision,
 * since LangChain sends pictures to no Gemini model that does not.
 */
function modelMaker(admin, dev, providers) {
  const made = new Map()
  return (dialect, knobs = '') => {
    const name = `vision-${dialect}-${knobs.replace(/[^a-z0-9]+/gi, '-') || 'plain'}`
    if (!made.has(name)) {
      made.set(name, admin('mutation($in: CreateModelInput!) { createModel(input: $in) { model { id } userErrors { message } } }', {
        name, routes: [{ providerId: providers[dialect], upstreamId: `sim-chat?seed=1${knobs && '&' + knobs}` }],
      }).then(() => listed(dev, name)))
    }
    return made.get(name)
  }
}

/** Waits until the gateway serves a model: it learns of changes by notification, within a moment. */
async function listed(dev, name) {
  for (let end = Date.now() + 10_000; Date.now() < end;) {
    const response = await fetch(`${dev.url}/v1/models/${name}`, { headers: { authorization: `Bearer ${dev.api_key}` } })
    if (response.ok) return name
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error(`the gateway does not serve ${name}`)
}
