import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cacheFolder } from '#provider';
import { pythonPackages } from '#testcontainers';
import { expectedText, startTestNetwork, type TestNetwork } from '../test-network.ts';

/** Version of Ollama's Python client. It is installed once, into the cache. */
const VERSION = '0.6.3';
const run = promisify(execFile);
const folder = join(cacheFolder(process.env), `python-ollama-${VERSION}`);

async function whyNot(): Promise<string | undefined> {
  try {
    await pythonPackages(folder, [`ollama==${VERSION}`], {
      env: process.env,
      withDependencies: true,
    });
    await run('python3', ['-c', 'import ollama'], {
      env: { ...process.env, PYTHONPATH: folder },
    });
    return undefined;
  } catch (error) {
    return `Python's ollama ${VERSION} cannot be installed: ${String(error).split('\n').at(-2)?.slice(0, 120)}`;
  }
}

const SCRIPT = `
import json, os
from ollama import Client, ResponseError
client = Client(host=os.environ["HOST_URL"], headers={"Authorization": "Bearer " + os.environ["API_KEY"]})
messages = [{"role": "user", "content": "Why is the sky blue?"}]
options = {"num_predict": 9}
whole = client.chat(model="sim", messages=messages, options=options)
parts = list(client.chat(model="sim", messages=messages, options=options, stream=True))
tool = {"type": "function", "function": {"name": "weather", "description": "", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}
calling = client.chat(model="sim", messages=messages, tools=[tool]).message
result = client.chat(model="sim", messages=messages + [calling, {"role": "tool", "tool_name": "weather", "content": "rain"}], tools=[tool], options=options)
thought = client.chat(model="sim", messages=messages, think=True, options={"num_predict": 200}).message
schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
try:
    client.show("none")
    missing = None
except ResponseError as error:
    missing = error.status_code
print(json.dumps({
    "whole": [whole.message.content, whole.done_reason, whole.eval_count],
    "streamed": ["".join(p.message.content or "" for p in parts), parts[-1].done, parts[-1].eval_count],
    "call": [calling.tool_calls[0].function.name, calling.tool_calls[0].function.arguments],
    "result": result.message.content,
    "thought": bool(thought.thinking) and bool(thought.content),
    "json": json.loads(client.generate(model="sim", prompt="A number.", format=schema, options={"num_predict": 500}).response),
    "generated": client.generate(model="sim", prompt="Hi", options=options).response,
    "models": [m.model for m in client.list().models],
    "capabilities": client.show("sim").capabilities,
    "missing": missing,
    "vectors": [len(v) for v in client.embed(model="sim-embed", input=["one", "two"]).embeddings],
    "embeddings": client.show("sim-embed").capabilities,
}))
`;

const reason = await whyNot();

describe.skipIf(reason !== undefined)(`Ollama's Python client (${reason ?? VERSION})`, () => {
  let network: TestNetwork;
  beforeAll(async () => {
    network = await startTestNetwork({ providers: 1, tokenMs: 2 });
  });
  afterAll(async () => {
    await network.expectMoneyBalances();
    await network[Symbol.asyncDispose]();
  });

  test('chats, streams, calls tools, thinks, follows a schema, and lists models', async () => {
    const { stdout } = await run('python3', ['-c', SCRIPT], {
      env: {
        ...process.env,
        PYTHONPATH: folder,
        HOST_URL: network.url,
        API_KEY: network.apiKey,
      },
    });
    const text = expectedText([{ role: 'user', content: 'Why is the sky blue?' }], 9);
    expect(JSON.parse(stdout)).toMatchObject({
      whole: [text, 'length', 9],
      streamed: [text, true, 9],
      call: ['weather', { city: 'river' }],
      result: expect.stringMatching(/./),
      thought: true,
      json: { n: expect.any(Number) },
      generated: expectedText([{ role: 'user', content: 'Hi' }], 9),
      models: expect.arrayContaining(['sim']),
      capabilities: expect.arrayContaining(['completion', 'tools']),
      missing: 404,
      vectors: [64, 64],
      embeddings: ['embedding'],
    });
  });
});

describe('a plain curl call, as Ollama documents it', () => {
  let network: TestNetwork;
  beforeAll(async () => {
    network = await startTestNetwork({ providers: 1, tokenMs: 2 });
  });
  afterAll(() => network[Symbol.asyncDispose]());

  test.each([
    ['/api/chat', { model: 'sim', messages: [{ role: 'user', content: 'Hi' }], stream: false }],
    ['/api/show', { model: 'sim' }],
  ])('to %s needs no Content-Type of JSON', async (path, body) => {
    const { status } = await fetch(`${network.url}${path}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${network.apiKey}`,
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: JSON.stringify({ ...body, options: { num_predict: 3 } }),
    });
    expect(status).toBe(200);
  });
});
