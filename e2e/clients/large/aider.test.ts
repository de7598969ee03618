import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestNetwork, type TestNetwork } from '../../test-network.ts';
import { python, pythonEnvironment, titleOf, whyNotPython } from './large-clients.ts';

const AIDER = 'aider-chat==0.86.2';
const reason = await whyNotPython(AIDER, { gigabytes: 2 });

describe.skipIf(reason !== undefined)(titleOf(AIDER, reason), { timeout: 600_000 }, () => {
  let network: TestNetwork;
  let home: string;
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'dinf-aider-'));
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

  test('answers one message', async () => {
    const before = (await network.charges()).length;
    const quiet = ['--no-git', '--yes-always', '--no-check-update', '--analytics-disable'];
    const request = ['--no-show-model-warnings', '--message', 'Why is the sky blue?'];
    const printed = await python(['-m', 'aider', '--model', 'openai/sim', ...quiet, ...request], {
      cwd: home,
      env: {
        ...pythonEnvironment(AIDER, home),
        OPENAI_API_BASE: `${network.url}/v1`,
        OPENAI_API_KEY: network.apiKey,
        LITELLM_LOCAL_MODEL_COST_MAP: 'True',
      },
    });
    expect(printed).toMatch(/Tokens: \d+ sent, \d+ received/);
    expect((await network.charges()).length).toBeGreaterThan(before);
  });
});
