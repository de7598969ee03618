import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectedText, startTestNetwork, type TestNetwork } from '../../test-network.ts';
import { python, pythonEnvironment, titleOf, whyNotPython } from './large-clients.ts';

const PYDANTIC_AI = 'pydantic-ai-slim[openai]==2.68.0';
const reason = await whyNotPython(PYDANTIC_AI, { gigabytes: 1 });

const SCRIPT = `
import asyncio, json, os
from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
provider = OpenAIProvider(base_url=os.environ["BASE_URL"], api_key=os.environ["API_KEY"])
model = OpenAIChatModel("sim", provider=provider)
question = "Why is the sky blue?"
short = {"max_tokens": 9}
class Place(BaseModel):
    city: str
calls = []
agent = Agent(model)
with_tool = Agent(model)
@with_tool.tool_plain
def weather(city: str) -> str:
    calls.append(city)
    return "rain"
async def streamed():
    async with agent.run_stream(question, model_settings=short) as result:
        parts = [part async for part in result.stream_text(delta=True)]
        return ["".join(parts), result.usage.output_tokens]
whole = agent.run_sync(question, model_settings=short)
print(json.dumps({
    "whole": [whole.output, whole.usage.output_tokens],
    "streamed": asyncio.run(streamed()),
    "tool": bool(with_tool.run_sync(question, model_settings={"max_tokens": 200}).output) and calls,
    "by_tool": Agent(model, output_type=Place).run_sync(question).output.city,
    "by_schema": Agent(model, output_type=NativeOutput(Place)).run_sync(question).output.city,
}))
`;

describe.skipIf(reason !== undefined)(titleOf(PYDANTIC_AI, reason), { timeout: 600_000 }, () => {
  let network: TestNetwork;
  let home: string;
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'dinf-pydantic-ai-'));
    network = await startTestNetwork({ providers: 1, tokenMs: 0 });
  });
  afterAll(async () => {
    await network.expectMoneyBalances();
    await network[Symbol.asyncDispose]();
    await rm(home, { recursive: true });
  });

  test('answers, streams, calls tools, and gets outputs of a type', async () => {
    const printed = await python(['-c', SCRIPT], {
      cwd: home,
      env: {
        ...pythonEnvironment(PYDANTIC_AI, home),
        BASE_URL: `${network.url}/v1`,
        API_KEY: network.apiKey,
      },
    });
    const text = expectedText([{ role: 'user', content: 'Why is the sky blue?' }], 9);
    expect(JSON.parse(printed)).toEqual({
      whole: [text, 9],
      streamed: [text, 9],
      tool: ['river'],
      by_tool: 'river',
      by_schema: 'river',
    });
  });
});
