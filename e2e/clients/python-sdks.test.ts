import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cacheFolder } from '#provider';
import { pythonPackages } from '#testcontainers';
import { expectedText, startTestNetwork, type TestNetwork } from '../test-network.ts';

/**
 * Versions of the SDKs of OpenAI and Anthropic for Python. If Python is installed, the test installs
 * them once into the cache, and not into the system.
 */
const VERSIONS = ['openai==3.57.0', 'anthropic==2.14.0'];
const run = promisify(execFile);
const folder = join(cacheFolder(process.env), `python-${VERSIONS.join('-').replaceAll('==', '-')}`);

async function whyNot(): Promise<string | undefined> {
  const imports = () =>
    run('python3', ['-c', 'import openai, anthropic'], {
      env: { ...process.env, PYTHONPATH: folder },
    });
  try {
    await pythonPackages(folder, VERSIONS, {
      env: process.env,
      withDependencies: true,
    });
    await imports();
    return undefined;
  } catch (error) {
    return `${VERSIONS.join(' and ')} cannot be installed: ${String(error).split('\n').at(-2)?.slice(0, 120)}`;
  }
}

const OPENAI = `
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
vectors = [item.embedding for item in client.embeddings.create(model="sim-embed", input=["one", "two"]).data]
try:
    client.chat.completions.create(model="none", messages=messages)
    missing = None
except NotFoundError as error:
    missing = error.code
print(json.dumps({"whole": whole.choices[0].message.content, "streamed": streamed, "call": [call.name, call.arguments],
    "responses": [types[0], types[-1], final.output[0].name], "missing": missing, "vectors": [len(vector) for vector in vectors]}))
`;

const ANTHROPIC = `
import json, os
from anthropic import Anthropic, NotFoundError, beta_tool
from pydantic import BaseModel
client = Anthropic(base_url=os.environ["BASE_URL"], api_key=os.environ["API_KEY"], max_retries=0)
question = {"model": "sim", "messages": [{"role": "user", "content": "Why is the sky blue?"}]}
class Place(BaseModel):
    city: str
parsed = client.messages.parse(**question, max_tokens=500, output_format=Place).parsed_output
calls = []
@beta_tool
def weather(city: str) -> str:
    """The weather of a city."""
    calls.append(city)
    return "rain"
runner = client.beta.messages.tool_runner(**question, max_tokens=200, tools=[weather], max_iterations=3)
last = runner.until_done()
with client.messages.stream(**question, max_tokens=9) as stream:
    streamed = "".join(stream.text_stream)
try:
    client.messages.create(model="none", max_tokens=9, messages=question["messages"])
    missing = None
except NotFoundError as error:
    missing = error.type
print(json.dumps({"parsed": parsed.city, "calls": calls, "last": last.content[0].type, "streamed": streamed, "missing": missing}))
`;

const reason = await whyNot();
describe.skipIf(reason !== undefined)(
  `the SDKs for Python${reason === undefined ? '' : ` (${reason})`}`,
  () => {
    let network: TestNetwork;
    beforeAll(async () => {
      network = await startTestNetwork({ providers: 1, tokenMs: 2 });
    });
    afterAll(async () => {
      await network.expectMoneyBalances();
      await network[Symbol.asyncDispose]();
    });

    const text = expectedText([{ role: 'user', content: 'Why is the sky blue?' }], 9);
    /** Runs a script, and returns the JSON that it prints. */
    async function printed(script: string, baseUrl: string): Promise<unknown> {
      const env = {
        ...process.env,
        PYTHONPATH: folder,
        BASE_URL: baseUrl,
        API_KEY: network.apiKey,
      };
      const { stdout } = await run('python3', ['-c', script], { env });
      return JSON.parse(stdout);
    }

    test("OpenAI's gets whole answers, streams, tool calls and errors", async () => {
      expect(await printed(OPENAI, `${network.url}/v1`)).toEqual({
        whole: text,
        streamed: text,
        call: ['weather', '{"city":"river"}'],
        responses: ['response.created', 'response.completed', 'weather'],
        missing: 'model_not_found',
        vectors: [64, 64],
      });
    });

    test("Anthropic's parses an answer, runs tools, streams, and gets errors", async () => {
      expect(await printed(ANTHROPIC, network.url)).toEqual({
        parsed: 'river',
        calls: ['river'],
        last: 'text',
        streamed: text,
        missing: 'not_found_error',
      });
    });
  },
);
