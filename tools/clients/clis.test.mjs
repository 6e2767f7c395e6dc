// Coding agents, headless, in a folder of their own: a plain turn, and a loop of two tools whose traces are in the folder.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startGateway, upstreams } from './gateway.mjs'

const bin = (name) => fileURLToPath(new URL(`node_modules/.bin/${name}`, import.meta.url))
let gateway
before(async () => { gateway = await startGateway() })
after(() => gateway?.stop())

const call = (name, args) => `sim: call ${name} ${JSON.stringify(args)}`

/** agents: how each is told where the gateway is, and how its tools write a file and read it back. */
const agents = {
  'Claude Code': {
    command: (model, prompt) => [bin('claude'), '-p', prompt, '--model', model, '--permission-mode', 'acceptEdits', '--allowedTools', 'Bash', 'Write', 'Read'],
    env: () => ({ ANTHROPIC_BASE_URL: gateway.url, ANTHROPIC_API_KEY: gateway.key, CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1' }),
    tools: (file) => [call('Write', { file_path: file, content: 'written\n' }), call('Bash', { command: `cat ${file} > ${file}.copy`, description: 'copy it' })],
  },
  Codex: {
    command: (model, prompt) => [bin('codex'), 'exec', '--skip-git-repo-check', '--sandbox', 'danger-full-access', '--model', model, prompt],
    env: () => ({ GATEWAY_KEY: gateway.key }),
    home(home) {
      mkdirSync(join(home, '.codex'))
      writeFileSync(join(home, '.codex/config.toml'), `model_provider = "gateway"\n[model_providers.gateway]\nname = "gateway"\n`
        + `base_url = "${gateway.url}/v1"\nenv_key = "GATEWAY_KEY"\nwire_api = "responses"\n`)
    },
    tools: (file) => [call('exec_command', { cmd: `echo written > ${file}` }), call('exec_command', { cmd: `cat ${file} > ${file}.copy` })],
  },
  'Gemini CLI': {
    command: (model, prompt) => [bin('gemini'), '-p', prompt, '-m', model, '--approval-mode', 'yolo', '--skip-trust'],
    env: () => ({ GEMINI_API_KEY: gateway.key, GOOGLE_GEMINI_BASE_URL: gateway.url }),
    home(home) {
      mkdirSync(join(home, '.gemini'))
      writeFileSync(join(home, '.gemini/settings.json'), JSON.stringify({
        security: { auth: { selectedType: 'gemini-api-key' } }, privacy: { usageStatisticsEnabled: false }, general: { disableAutoUpdate: true },
      }))
    },
    tools: (file) => [call('write_file', { file_path: file, content: 'written\n' }), call('run_shell_command', { command: `cat ${file} > ${file}.copy` })],
  },
}

/** Runs an agent to its end, in a home and a folder of its own, and gives what it printed. */
async function run(agent, model, prompt, folder) {
  const home = mkdtempSync(join(tmpdir(), 'aihigress-home-'))
  agent.home?.(home)
  const [command, ...args] = agent.command(model, prompt)
  const child = spawn(command, args, {
    cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], timeout: 120_000, killSignal: 'SIGKILL',
    env: { PATH: process.env.PATH, HOME: home, LANG: 'C.UTF-8', NO_COLOR: '1', ...agent.env() },
  })
  let out = '', err = ''
  child.stdout.on('data', (text) => { out += text })
  child.stderr.on('data', (text) => { err += text })
  const code = await new Promise((resolve) => child.once('close', resolve))
  rmSync(home, { recursive: true, force: true })
  assert.equal(code, 0, `it ended with ${code}:\n${out}\n${err.slice(-4000)}`)
  return out
}

for (const [name, agent] of Object.entries(agents)) {
  describe(name, () => {
    for (const dialect of upstreams) {
      for (const knobs of ['', 'thinking=on&reasoning=8']) {
        const kind = knobs ? ', thinking' : ''
        test(`a plain turn from ${dialect}${kind}`, { timeout: 150_000 }, async (t) => {
          const folder = scratch(t)
          const out = await run(agent, await gateway.model(dialect, knobs), 'Answer in one sentence.\nsim: say The answer is 42.', folder)
          assert.match(out, /The answer is 42\./)
        })
        test(`two tools from ${dialect}${kind}`, { timeout: 150_000 }, async (t) => {
          const folder = scratch(t)
          const file = join(folder, 'note.txt')
          const prompt = ['Write a note and copy it.', ...agent.tools(file), 'sim: say Both are done.'].join('\n')
          const out = await run(agent, await gateway.model(dialect, knobs), prompt, folder)
          assert.match(out, /Both are done\./)
          assert.equal(readFileSync(`${file}.copy`, 'utf8'), 'written\n')
        })
      }
    }
  })
}

function scratch(t) {
  const folder = mkdtempSync(join(tmpdir(), 'aihigress-work-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
