import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectedText, startTestNetwork, type TestNetwork } from '../../test-network.ts';
import { python, pythonEnvironment, titleOf, whyNotPython } from './large-clients.ts';

const LITELLM = 'litellm==1.110.2';
const reason = await whyNotPython(LITELLM, { gigabytes: 1 });

/** More tokens than the context of `sim-vision-7b`, and fewer than that of `sim`. */
const PROMPT = 'word '.repeat(30_000);
const SCRIPT = `
import json, os, litellm
openai = {"api_base": os.environ["HOST_URL"] + "/v1", "api_key": os.environ["API_KEY"]}
router = litellm.Router(
    model_list=[{"model_name": n, "litellm_params": {"model": "openai/" + m, **openai}} for n, m in [("small", "sim-vision-7b"), ("large", "sim")]],
    context_window_fallbacks=[{"small": ["large"]}], num_retries=0)
ask = {"model": "small", "messages": [{"role": "user", "content": "word " * 30000}], "max_tokens": 9}
whole = router.completion(**ask)
parts = [part for part in router.completion(stream=True, **ask)]
try:
    litellm.completion(**{**ask, "model": "openai/sim-vision-7b"}, **openai)
    error = None
except litellm.ContextWindowExceededError as thrown:
    error = thrown.message
print(json.dumps({
    "whole": whole.choices[0].message.content,
    "streamed": "".join(part.choices[0].delta.content or "" for part in parts),
    "error": error,
}))
`;

describe.skipIf(reason !== undefined)(titleOf(LITELLM, reason), { timeout: 300_000 }, () => {
  let network: TestNetwork;
  let home: string;
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'dinf-litellm-'));
    network = await startTestNetwork({ providers: 1, tokenMs: 0 });
  });
  afterAll(async () => {
    await network[Symbol.asyncDispose]();
    await rm(home, { recursive: true });
  });

  test('asks the model with the larger context after the error of the smaller one', async () => {
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
    const text = expectedText([{ role: 'user', content: PROMPT }], 9);
    expect(JSON.parse(printed.trim().split('\n').at(-1) ?? '')).toEqual({
      whole: text,
      streamed: text,
      error: expect.stringContaining("This model's maximum context length is 32768 tokens"),
    });
    expect((await network.charges()).map(({ outcome }) => outcome)).toEqual(['settled', 'settled']);
  });
});
