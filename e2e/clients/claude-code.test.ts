import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cacheFolder } from '#provider';
import { npmPackages } from '#testcontainers';
import { startTestNetwork, type TestNetwork } from '../test-network.ts';

/** Version of Claude Code that is tested. It is installed once, into the cache. */
const VERSION = '2.1.332';
const PLATFORM = `@anthropic-ai/claude-code-${process.platform}-${process.arch}`;
const run = promisify(execFile);
const folder = join(cacheFolder(process.env), `claude-code-${VERSION}`);

async function whyNot(): Promise<string | undefined> {
  try {
    await npmPackages(folder, [`${PLATFORM}@${VERSION}`]);
    return undefined;
  } catch (error) {
    return `Claude Code ${VERSION} cannot be installed: ${String(error).split('\n').at(-2)?.slice(0, 120)}`;
  }
}
const reason = await whyNot();

describe.skipIf(reason !== undefined)(`Claude Code (${reason ?? VERSION})`, () => {
  let network: TestNetwork;
  let home: string;
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'dinf-claude-'));
    network = await startTestNetwork({
      providers: 1,
      tokenMs: 0,
      endless: false,
      contextTokens: 200_000,
      maxOutputTokens: 32_000,
    });
  });
  afterAll(async () => {
    await network.expectMoneyBalances();
    await network[Symbol.asyncDispose]();
    await rm(home, { recursive: true });
  });

  /** Runs one turn of a session without a terminal, and returns the events that it prints. */
  async function turn(prompt: string, ...args: string[]): Promise<Event[]> {
    const format = ['--output-format', 'stream-json', '--verbose'];
    const started = run(
      join(folder, 'node_modules', PLATFORM, 'claude'),
      ['--print', prompt, '--model', 'sim', '--tools', 'Read', ...format, ...args],
      {
        cwd: home,
        env: {
          PATH: process.env['PATH'],
          HOME: home,
          ANTHROPIC_BASE_URL: network.url,
          ANTHROPIC_API_KEY: network.apiKey,
          CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
          DISABLE_AUTOUPDATER: '1',
          DISABLE_TELEMETRY: '1',
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

  test('answers five turns of one session, and runs a tool in the first', {
    timeout: 240_000,
  }, async () => {
    const events = [await turn('Read the file.')];
    for (let count = 2; count <= 5; count += 1)
      events.push(await turn(`Go on (${count}).`, '--continue'));
    for (const each of events)
      expect(each.at(-1)).toMatchObject({ type: 'result', subtype: 'success', is_error: false });
    const blocks = events.flat().flatMap(({ message }) => message?.content ?? []);
    expect(blocks).toContainEqual(expect.objectContaining({ type: 'tool_use', name: 'Read' }));
    expect(blocks).toContainEqual(expect.objectContaining({ type: 'tool_result' }));
  });
});

interface Event {
  readonly type: string;
  readonly message?: { readonly content: readonly object[] };
}
