import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '#network';
import { type SupervisedProcess, startSupervised } from '#provider';
import { expectedText, startTestNetwork, type TestNetwork } from '../../test-network.ts';
import { pythonEnvironment, titleOf, whyNotPython } from './large-clients.ts';

const LITELLM = 'litellm==1.110.2';
/**
 * What the extra `litellm[proxy]` names, but for the packages `litellm-proxy`,
 * `litellm-proxy-extras` and `litellm-enterprise`: the package index does not have them in the
 * versions that this version of LiteLLM requires. The program of the proxy is in LiteLLM itself.
 */
const PROXY_DEPENDENCIES =
  'apscheduler azure-identity azure-storage-blob backoff backports-zstd cryptography expression fastapi ' +
  'fastapi-sso granian gunicorn hiredis httpx2 inquirerpy mcp orjson polars pyjwt pynacl pyroscope-io ' +
  'python-multipart pyyaml restrictedpython rich<14 rq semver soundfile starlette tomlkit uvicorn uvloop ' +
  'websockets<16';
/** Folder of the cache; the client alone is in another one. */
const PROXY = 'litellm-proxy==1.110.2';
const PROXY_KEY = 'sk-proxy';
const QUESTION = 'Why is the sky blue?';
const START_MS = 240_000;
/** LiteLLM asks for at least 16 tokens where it calls the Responses API. */
const TOKENS = 20;
const reason = await whyNotPython(PROXY, {
  gigabytes: 2,
  packages: [LITELLM, ...PROXY_DEPENDENCIES.split(' ')],
});

describe.skipIf(reason !== undefined)(titleOf(PROXY, reason), { timeout: 120_000 }, () => {
  let network: TestNetwork;
  let home: string;
  let proxy: SupervisedProcess;
  let openai: OpenAI;
  let anthropic: Anthropic;

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'dinf-litellm-proxy-'));
    network = await startTestNetwork({ providers: 1, tokenMs: 0, contextTokens: 8_192 });
    const file = join(home, 'config.yaml');
    await writeFile(file, settings(network.url));
    const port = await freePort();
    proxy = await startSupervised({
      name: 'LiteLLM',
      command: 'python3',
      args: [
        ...['-c', 'from litellm import run_server; run_server()'],
        ...['--config', file, '--host', '127.0.0.1', '--port', String(port)],
      ],
      cwd: home,
      env: {
        ...pythonEnvironment(PROXY, home),
        DINF_API_KEY: network.apiKey,
        LITELLM_MASTER_KEY: PROXY_KEY,
        // Its list of prices is read from the package, and not from the internet.
        LITELLM_LOCAL_MODEL_COST_MAP: 'True',
      },
      isReady: (line) => line.includes('Uvicorn running on'),
      readyTimeoutMs: START_MS,
    });
    const url = `http://127.0.0.1:${port}`;
    openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: PROXY_KEY });
    anthropic = new Anthropic({ baseURL: url, apiKey: PROXY_KEY });
  }, START_MS + 60_000);
  afterAll(async () => {
    await proxy?.[Symbol.asyncDispose]();
    await network.expectMoneyBalances();
    await network[Symbol.asyncDispose]();
    await rm(home, { recursive: true });
  });

  const messages = [{ role: 'user' as const, content: QUESTION }];
  const text = expectedText(messages, TOKENS);
  const question = { messages, max_tokens: TOKENS };

  test.each(['sim', 'other'])('answers with %s, whole and as a stream', async (model) => {
    const whole = await openai.chat.completions.create({ model, ...question });
    expect(whole.choices[0]?.message.content).toBe(text);
    expect(whole.usage).toMatchObject({ completion_tokens: TOKENS });
    const stream = await openai.chat.completions.create({
      model,
      ...question,
      stream: true,
      stream_options: { include_usage: true },
    });
    let streamed = '';
    let tokens: number | undefined;
    for await (const { choices, usage } of stream) {
      streamed += choices[0]?.delta.content ?? '';
      tokens = usage?.completion_tokens ?? tokens;
    }
    expect([streamed, tokens]).toEqual([text, TOKENS]);
  });

  test('passes on the error for a prompt that is too long', async () => {
    const long = [{ role: 'user' as const, content: 'word '.repeat(9_000) }];
    await expect(
      openai.chat.completions.create({ model: 'sim', messages: long, max_tokens: TOKENS }),
    ).rejects.toMatchObject({ status: 400, message: expect.stringContaining('8192') });
  });

  const parts = [{ type: 'text' as const, text: QUESTION }];
  // LiteLLM sends Messages to a model of OpenAI's API through the Responses API, with content in parts.
  const textOfParts = expectedText([{ role: 'user', content: parts }], TOKENS);

  test.each([
    ['sim', textOfParts],
    ['sim-anthropic', text],
    ['other', textOfParts],
  ])('answers Messages with %s', async (model, expected) => {
    const whole = await anthropic.messages.create({ model, ...question });
    expect(whole).toMatchObject({ type: 'message', usage: { output_tokens: TOKENS } });
    expect(whole.content).toMatchObject([{ type: 'text', text: expected }]);
    const streamed = await anthropic.messages.stream({ model, ...question }).finalMessage();
    expect(streamed.content).toMatchObject([{ type: 'text', text: expected }]);
    expect(streamed.usage.output_tokens).toBe(TOKENS);
  });

  test('passes tools on, in the format of OpenAI and in that of Anthropic', async () => {
    const parameters = { type: 'object' as const, properties: { city: { type: 'string' } } };
    const called = await openai.chat.completions.create({
      model: 'sim',
      messages,
      tools: [{ type: 'function', function: { name: 'weather', parameters } }],
    });
    expect(called.choices[0]?.message.tool_calls).toMatchObject([
      { function: { name: 'weather' } },
    ]);
    const used = await anthropic.messages.create({
      model: 'sim',
      messages,
      max_tokens: 200,
      tools: [{ name: 'weather', input_schema: parameters }],
    });
    expect(used.content).toContainEqual(
      expect.objectContaining({ type: 'tool_use', name: 'weather', input: { city: 'river' } }),
    );
  });

  test('answers Responses', async () => {
    const response = await openai.responses.create({
      model: 'sim',
      input: messages,
      max_output_tokens: TOKENS,
    });
    expect(response.output_text).toBe(text);
  });
});

/** The settings that docs/clients/litellm.md shows. The model "none" does not exist. */
const settings = (url: string): string => `
model_list:
  - model_name: sim
    litellm_params:
      model: openai/sim
      api_base: ${url}/v1
      api_key: os.environ/DINF_API_KEY
  - model_name: sim-anthropic
    litellm_params:
      model: anthropic/sim
      api_base: ${url}
      api_key: os.environ/DINF_API_KEY
  - model_name: other
    litellm_params:
      model: openai/none
      api_base: ${url}/v1
      api_key: os.environ/DINF_API_KEY
router_settings:
  fallbacks: [{ other: [sim] }]
`;
