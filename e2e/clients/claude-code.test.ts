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
const program = join(folder, 'node_modules', PLATFORM, 'claude');

/** Version of the agent SDK that belongs to this version of Claude Code, and starts it. */
const SDK_VERSION = '0.3.332';
const SDK = '@anthropic-ai/claude-agent-sdk';
const sdkFolder = join(cacheFolder(process.env), `claude-agent-sdk-${SDK_VERSION}`);

async function whyNot(): Promise<string | undefined> {
  try {
    await npmPackages(folder, [`${PLATFORM}@${VERSION}`]);
    // Its optional dependency is Claude Code itself; its peers are for tools that run in the SDK.
    await npmPackages(sdkFolder, [`${SDK}@${SDK_VERSION}`], { omit: ['optional', 'peer'] });
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

  const environment = (): NodeJS.ProcessEnv => ({
    PATH: process.env['PATH'],
    HOME: home,
    ANTHROPIC_BASE_URL: network.url,
    ANTHROPIC_API_KEY: network.apiKey,
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    DISABLE_AUTOUPDATER: '1',
    DISABLE_TELEMETRY: '1',
  });

  /** Runs one turn of a session without a terminal, and returns the events that it prints. */
  async function turn(prompt: string, ...args: string[]): Promise<Event[]> {
    const format = ['--output-format', 'stream-json', '--verbose'];
    const started = run(
      program,
      ['--print', prompt, '--model', 'sim', '--tools', 'Read', ...format, ...args],
      {
        cwd: home,
        env: environment(),
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

  test('answers five turns of one session of the agent SDK, and runs a tool in each', {
    timeout: 240_000,
  }, async () => {
    const { query } = await import(join(sdkFolder, 'node_modules', SDK, 'sdk.mjs'));
    const ends = Array.from({ length: 5 }, () => Promise.withResolvers<void>());
    /** The next turn begins when the one before it has ended. */
    async function* prompts() {
      for (const [index, { promise }] of ends.entries()) {
        yield { type: 'user', message: { role: 'user', content: `Read file ${index}.` } };
        await promise;
      }
    }
    const events: Event[] = [];
    const options = { model: 'sim', tools: ['Read'], cwd: home, settingSources: [] };
    const session: AsyncIterable<Event> = query({
      prompt: prompts(),
      options: { ...options, env: environment(), pathToClaudeCodeExecutable: program },
    });
    for await (const event of session) {
      events.push(event);
      if (event.type === 'result') ends[resultsIn(events).length - 1]?.resolve();
    }
    expect(resultsIn(events)).toEqual(
      ends.map(() => expect.objectContaining({ subtype: 'success', is_error: false })),
    );
    const blocks = events.flatMap(({ message }) => message?.content ?? []);
    const results = blocks.filter((block) => 'type' in block && block.type === 'tool_result');
    expect(results.length).toBeGreaterThanOrEqual(ends.length);
  });
});

const resultsIn = (events: readonly Event[]) => events.filter(({ type }) => type === 'result');

interface Event {
  readonly type: string;
  readonly message?: { readonly content: readonly object[] };
}
