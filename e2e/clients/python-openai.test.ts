import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cacheFolder } from '#provider';
import { pythonPackages } from '#testcontainers';
import { expectedText, startTestNetwork, type TestNetwork } from '../test-network.ts';

/**
 * Version of OpenAI's Python client. If Python is installed, the test installs the client once into
 * the cache, and not into the system.
 */
const VERSION = '3.52.0';
const run = promisify(execFile);
const folder = join(cacheFolder(process.env), `python-openai-${VERSION}`);

async function whyNot(): Promise<string | undefined> {
  const imports = () =>
    run('python3', ['-c', 'import openai'], { env: { ...process.env, PYTHONPATH: folder } });
  try {
    await pythonPackages(folder, [`openai==${VERSION}`], {
      env: process.env,
      withDependencies: true,
    });
    await imports();
    return undefined;
  } catch (error) {
    return `Python's openai ${VERSION} cannot be installed: ${String(error).split('\n').at(-2)?.slice(0, 120)}`;
  }
}

const SCRIPT = `
import json, os
from openai import OpenAI, NotFoundError
client = OpenAI(base_url=os.environ["BASE_URL"], api_key=os.environ["API_KEY"], max_retries=0)
messages = [{"role": "user", "content": "Why is the sky blue?"}]
whole = client.chat.completions.create(model="sim", messages=messages, max_tokens=9)
streamed = "".join(c.choices[0].delta.content or "" for c in client.chat.completions.create(model="sim", messages=messages, max_tokens=9, stream=True))
tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}
call = client.chat.completions.create(model="sim", messages=messages, tools=[tool]).choices[0].message.tool_calls[0].function
with client.responses.stream(model="sim", input="Why?", tools=[{"type": "function", "name": "weather", "parameters": tool["function"]["parameters"], "strict": True}]) as stream:
    types = [event.type for event in stream]
    final = stream.get_final_response()
try:
    client.chat.completions.create(model="none", messages=messages)
    missing = None
except NotFoundError as error:
    missing = error.code
print(json.dumps({"whole": whole.choices[0].message.content, "streamed": streamed, "call": [call.name, call.arguments],
    "responses": [types[0], types[-1], final.output[0].name], "missing": missing}))
`;

const reason = await whyNot();
describe.skipIf(reason !== undefined)(
  `the Python client${reason === undefined ? '' : ` (${reason})`}`,
  () => {
    let network: TestNetwork;
    beforeAll(async () => {
      network = await startTestNetwork({ providers: 1, tokenMs: 2 });
    });
    afterAll(() => network[Symbol.asyncDispose]());

    test('gets whole answers, streams, tool calls and errors', async () => {
      const env = {
        ...process.env,
        PYTHONPATH: folder,
        BASE_URL: `${network.url}/v1`,
        API_KEY: network.apiKey,
      };
      const { stdout } = await run('python3', ['-c', SCRIPT], { env });
      const text = expectedText([{ role: 'user', content: 'Why is the sky blue?' }], 9);
      expect(JSON.parse(stdout)).toEqual({
        whole: text,
        streamed: text,
        call: ['weather', '{"city":"river"}'],
        responses: ['response.created', 'response.completed', 'weather'],
        missing: 'model_not_found',
      });
      await network.expectMoneyBalances();
    });
  },
);
