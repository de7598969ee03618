import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { freePort } from '#network';
import { type SupervisedProcess, startSupervised } from '#provider';
import { pythonPackages } from '#testcontainers';
import { expectedText, startTestNetwork, type TestNetwork } from '../../test-network.ts';
import { folderOf, INSTALL_MS, pythonEnvironment, titleOf, whyNotTested } from './large-clients.ts';

const OPEN_WEBUI = 'open-webui==0.12.4';
/**
 * PyTorch and its libraries for GPUs have 5 GB. Open WebUI needs them only to compute embeddings
 * and to recognise speech itself.
 */
const LEFT_OUT = /^(?:torch|triton|nvidia-.*|cuda-.*)$/;
const START_MS = 480_000;
const reason = await whyNotTested(OPEN_WEBUI, {
  gigabytes: 4,
  install: () =>
    pythonPackages(folderOf('python', OPEN_WEBUI), [OPEN_WEBUI], {
      env: process.env,
      withDependencies: true,
      leftOut: LEFT_OUT,
      timeoutMs: INSTALL_MS,
    }),
});

describe.skipIf(reason !== undefined)(titleOf(OPEN_WEBUI, reason), { timeout: 120_000 }, () => {
  let network: TestNetwork;
  let home: string;
  let program: SupervisedProcess;
  let url: string;
  let token: string | undefined;

  beforeAll(
    async () => {
      home = await mkdtemp(join(tmpdir(), 'dinf-open-webui-'));
      network = await startTestNetwork({ providers: 1, tokenMs: 0 });
      const port = await freePort();
      url = `http://127.0.0.1:${port}`;
      program = await startSupervised({
        name: 'Open WebUI',
        command: 'python3',
        args: [
          ...['-c', 'from open_webui import app; app()', 'serve'],
          ...['--host', '127.0.0.1', '--port', String(port)],
        ],
        cwd: home,
        env: { ...pythonEnvironment(OPEN_WEBUI, home), ...settings(network), DATA_DIR: home },
        isReady: (line) => line.includes('Started server process'),
        readyTimeoutMs: START_MS,
      });
      await vi.waitFor(() => ask('/health'), { interval: 500, timeout: START_MS });
      token = (
        await ask('/api/v1/auths/signup', {
          name: 'Ann',
          email: 'ann@example.com',
          password: 'a long password',
        })
      ).token;
    },
    2 * START_MS + 120_000,
  );
  afterAll(async () => {
    await program?.[Symbol.asyncDispose]();
    await network.expectMoneyBalances();
    await network[Symbol.asyncDispose]();
    await rm(home, { recursive: true });
  });

  const send = (path: string, body?: object): Promise<Response> =>
    fetch(new URL(path, url), {
      headers: {
        'content-type': 'application/json',
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
    });

  // biome-ignore lint/suspicious/noExplicitAny: every test asserts the shape that it expects
  async function ask(path: string, body?: object): Promise<any> {
    const response = await send(path, body);
    expect(response.status).toBe(200);
    return response.json();
  }

  const question = {
    model: 'sim',
    messages: [{ role: 'user', content: 'Why is the sky blue?' }],
    max_tokens: 9,
  };
  const text = expectedText(question.messages, 9);

  test('lists the models of the network', async () => {
    const { data } = await ask('/api/models');
    expect(data).toContainEqual(expect.objectContaining({ id: 'sim' }));
  });

  test('chats, with a whole answer and with a stream', async () => {
    const whole = await ask('/api/chat/completions', { ...question, stream: false });
    expect(whole.choices[0].message.content).toBe(text);
    const { body } = await send('/api/chat/completions', { ...question, stream: true });
    let streamed = '';
    const events = (body as ReadableStream)
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(new EventSourceParserStream());
    for await (const { data } of events as unknown as AsyncIterable<{ data: string }>)
      if (data !== '[DONE]') streamed += JSON.parse(data).choices[0]?.delta.content ?? '';
    expect(streamed).toBe(text);
    expect((await network.charges()).length).toBeGreaterThanOrEqual(2);
  });
});

/** The settings that docs/clients/open-webui.md shows, and some that stop its other downloads. */
const settings = ({ url, apiKey }: TestNetwork) => ({
  OPENAI_API_BASE_URL: `${url}/v1`,
  OPENAI_API_KEY: apiKey,
  ENABLE_OLLAMA_API: 'False',
  WEBUI_SECRET_KEY: 'a key of this test',
  OFFLINE_MODE: 'True',
  HF_HUB_OFFLINE: '1',
  // Otherwise it downloads a model for embeddings when it starts.
  RAG_EMBEDDING_ENGINE: 'openai',
});
