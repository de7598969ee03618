import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cacheFolder } from '#provider';
import { npmPackages } from '#testcontainers';
import { startTestNetwork, type TestNetwork } from '../test-network.ts';

/** Version of OpenCode that is tested. It is installed once, into the cache. */
const VERSION = '1.18.33';
const PLATFORM = `opencode-${process.platform}-${process.arch}`;
const run = promisify(execFile);
const folder = join(cacheFolder(process.env), `opencode-${VERSION}`);

async function whyNot(): Promise<string | undefined> {
  try {
    await npmPackages(folder, [`${PLATFORM}@${VERSION}`]);
    return undefined;
  } catch (error) {
    return `OpenCode ${VERSION} cannot be installed: ${String(error).split('\n').at(-2)?.slice(0, 120)}`;
  }
}
const reason = await whyNot();

describe.skipIf(reason !== undefined)(`OpenCode (${reason ?? VERSION})`, () => {
  let network: TestNetwork;
  let home: string;
  let work: string;
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'dinf-opencode-'));
    work = join(home, 'work');
    await mkdir(work);
    network = await startTestNetwork({
      providers: 1,
      tokenMs: 0,
      endless: false,
      contextTokens: 200_000,
      maxOutputTokens: 32_000,
    });
    await writeFile(join(work, 'opencode.json'), JSON.stringify(settings(network.url)));
  });
  afterAll(async () => {
    await network.expectMoneyBalances();
    await network[Symbol.asyncDispose]();
    await rm(home, { recursive: true });
  });

  /** Runs one session of one turn without a terminal, and returns the events that it prints. */
  async function turn(prompt: string): Promise<Event[]> {
    const started = run(
      join(folder, 'node_modules', PLATFORM, 'bin/opencode'),
      ['run', '--format', 'json', '--model', 'dinf/sim', prompt],
      {
        cwd: work,
        env: {
          PATH: process.env['PATH'],
          HOME: home,
          DINF_API_KEY: network.apiKey,
          OPENCODE_DISABLE_AUTOUPDATE: '1',
          OPENCODE_DISABLE_MODELS_FETCH: '1',
        },
        maxBuffer: 64 * 1024 * 1024,
      },
    );
    started.child.stdin?.end();
    const { stdout } = await started;
    return stdout
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line));
  }

  test('runs a tool, and answers after its result', { timeout: 240_000 }, async () => {
    const events = await turn('Read the file.');
    expect(events.filter(({ type }) => type === 'error')).toEqual([]);
    expect(events).toContainEqual(
      expect.objectContaining({ part: expect.objectContaining({ type: 'tool', tool: 'read' }) }),
    );
    expect(events.at(-1)).toMatchObject({ type: 'step_finish', part: { reason: 'stop' } });
  });
});

/** The settings that docs/clients/opencode.md shows, and permission for one tool only. */
const settings = (url: string): object => ({
  permission: { '*': 'deny', read: 'allow' },
  provider: {
    dinf: {
      npm: '@ai-sdk/openai-compatible',
      name: 'd-inference',
      options: { baseURL: `${url}/v1`, apiKey: '{env:DINF_API_KEY}' },
      models: { sim: { tool_call: true, limit: { context: 200_000, output: 32_000 } } },
    },
  },
});

interface Event {
  readonly type: string;
  readonly part?: object;
}
