import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectedText, startTestNetwork, type TestNetwork } from '../../test-network.ts';
import { python, pythonEnvironment, titleOf, whyNotPython } from './large-clients.ts';

const LITELLM = 'litellm==1.110.2';
const reason = await whyNotPython(LITELLM, { gigabytes: 1 });

const SCRIPT = `
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

describe.skipIf(reason !== undefined)(titleOf(LITELLM, reason), { timeout: 600_000 }, () => {
  let network: TestNetwork;
  let home: string;
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'dinf-litellm-'));
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

  test('answers, streams, calls tools, falls back, and understands errors', async () => {
    const printed = await python(['-c', SCRIPT], {
      cwd: home,
      env: {
        ...pythonEnvironment(LITELLM, home),
        HOST_URL: network.url,
        API_KEY: network.apiKey,
        // Its list of prices is read from the package, and not from the internet.
        LITELLM_LOCAL_MODEL_COST_MAP: 'True',
      },
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
});
