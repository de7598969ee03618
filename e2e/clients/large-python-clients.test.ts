import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { setting } from '#bus-schemas/settings/settings.ts';
import { cacheFolder } from '#provider';
import { pythonPackages } from '#testcontainers';
import { expectedText, startTestNetwork, type TestNetwork } from '../test-network.ts';

/**
 * Clients whose installation takes minutes and hundreds of megabytes. They are installed into the
 * cache and tested only with `DINF_CLIENTS=full`.
 */
const isFull = setting('DINF_CLIENTS') === 'full';
const LITELLM = 'litellm==1.110.2';
const AIDER = 'aider-chat==0.86.2';
const INSTALL_MS = 900_000;
const run = promisify(execFile);
const folderOf = (spec: string) =>
  join(cacheFolder(process.env), `python-${spec.replace('==', '-')}`);

const LITELLM_SCRIPT = `
import json, os, litellm
key, host = os.environ["API_KEY"], os.environ["HOST_URL"]
openai = {"api_base": host + "/v1", "api_key": key}
question = {"messages": [{"role": "user", "content": "Why is the sky blue?"}]}
tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}
text = lambda answer: answer.choices[0].message.content
router = litellm.Router(
    model_list=[{"model_name": n, "litellm_params": {"model": "openai/" + m, **openai}} for n, m in [("missing", "none"), ("main", "sim")]],
    fallbacks=[{"missing": ["main"]}], num_retries=0)
long = [{"role": "user", "content": "word " * 9000}]
try:
    litellm.completion(model="openai/sim", messages=long, max_tokens=9, **openai)
    error = None
except litellm.ContextWindowExceededError as thrown:
    error = thrown.status_code
print(json.dumps({
    "whole": text(litellm.completion(model="openai/sim", max_tokens=9, **question, **openai)),
    "streamed": "".join(c.choices[0].delta.content or "" for c in litellm.completion(model="openai/sim", max_tokens=9, stream=True, **question, **openai)),
    "call": litellm.completion(model="openai/sim", tools=[tool], **question, **openai).choices[0].message.tool_calls[0].function.name,
    "messages": bool(text(litellm.completion(model="anthropic/sim", max_tokens=9, api_base=host, api_key=key, **question))),
    "responses": litellm.responses(model="openai/sim", input="Why?", max_output_tokens=9, **openai).output[0].type,
    "fallback": text(router.completion(model="missing", max_tokens=9, **question)),
    "error": error,
}))
`;

async function whyNot(spec: string): Promise<string | undefined> {
  if (!isFull) return 'DINF_CLIENTS is not full';
  try {
    await pythonPackages(folderOf(spec), [spec], {
      env: process.env,
      withDependencies: true,
      timeoutMs: INSTALL_MS,
    });
    return undefined;
  } catch (error) {
    return `${spec} cannot be installed: ${String(error).split('\n').at(-2)?.slice(0, 120)}`;
  }
}
const reasons = { litellm: await whyNot(LITELLM), aider: await whyNot(AIDER) };
const isSkipped = Object.values(reasons).every((reason) => reason !== undefined);
const titleOf = (spec: string, reason: string | undefined) => `${spec} (${reason ?? 'installed'})`;

describe.skipIf(isSkipped)('a large client for Python', { timeout: 300_000 }, () => {
  let network: TestNetwork;
  let home: string;
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'dinf-python-'));
    network = await startTestNetwork({
      providers: 1,
      tokenMs: 0,
      endless: false,
      contextTokens: 8_192,
    });
  });
  afterAll(async () => {
    await network.expectMoneyBalances();
    await network[Symbol.asyncDispose]();
    await rm(home, { recursive: true });
  });

  /** Runs Python with the packages of one client, and returns what it prints. */
  async function python(spec: string, args: readonly string[], env: object): Promise<string> {
    const started = run('python3', args, {
      cwd: home,
      env: { PATH: process.env['PATH'], HOME: home, PYTHONPATH: folderOf(spec), ...env },
    });
    started.child.stdin?.end();
    return (await started).stdout;
  }

  test.skipIf(reasons.litellm !== undefined)(titleOf(LITELLM, reasons.litellm), async () => {
    const env = { HOST_URL: network.url, API_KEY: network.apiKey };
    const printed = await python(LITELLM, ['-c', LITELLM_SCRIPT], {
      ...env,
      // Its list of prices is read from the package, and not from the internet.
      LITELLM_LOCAL_MODEL_COST_MAP: 'True',
    });
    const text = expectedText([{ role: 'user', content: 'Why is the sky blue?' }], 9);
    expect(JSON.parse(printed.trim().split('\n').at(-1) ?? '')).toEqual({
      whole: text,
      streamed: text,
      call: 'weather',
      messages: true,
      responses: 'message',
      fallback: text,
      error: 400,
    });
  });

  test.skipIf(reasons.aider !== undefined)(titleOf(AIDER, reasons.aider), async () => {
    const before = (await network.charges()).length;
    const env = { OPENAI_API_BASE: `${network.url}/v1`, OPENAI_API_KEY: network.apiKey };
    const quiet = ['--no-git', '--yes-always', '--no-check-update', '--analytics-disable'];
    const request = ['--no-show-model-warnings', '--message', 'Why is the sky blue?'];
    const printed = await python(
      AIDER,
      ['-m', 'aider', '--model', 'openai/sim', ...quiet, ...request],
      { ...env, LITELLM_LOCAL_MODEL_COST_MAP: 'True' },
    );
    expect(printed).toMatch(/Tokens: \d+ sent, \d+ received/);
    expect((await network.charges()).length).toBeGreaterThan(before);
  });
});
