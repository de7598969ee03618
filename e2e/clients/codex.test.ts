import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cacheFolder } from '#provider';
import { npmPackages } from '#testcontainers';
import { startTestNetwork, type TestNetwork } from '../test-network.ts';

/** Version of Codex CLI that is tested. It is installed once, into the cache. */
const VERSION = '0.171.0';
const run = promisify(execFile);
const folder = join(cacheFolder(process.env), `codex-${VERSION}`);
/** Name that the package gives to the processor and system of this machine. */
const TARGET: Readonly<Record<string, string>> = {
  'linux-x64': 'x86_64-unknown-linux-musl',
  'linux-arm64': 'aarch64-unknown-linux-musl',
  'darwin-x64': 'x86_64-apple-darwin',
  'darwin-arm64': 'aarch64-apple-darwin',
};
const platform = `${process.platform}-${process.arch}`;
const program = join(
  folder,
  'node_modules/@openai/codex/vendor',
  TARGET[platform] ?? platform,
  'bin/codex',
);

async function whyNot(): Promise<string | undefined> {
  try {
    await npmPackages(folder, [`@openai/codex@${VERSION}-${platform}`]);
    return undefined;
  } catch (error) {
    return `Codex CLI ${VERSION} cannot be installed: ${String(error).split('\n').at(-2)?.slice(0, 120)}`;
  }
}
const reason = await whyNot();

describe.skipIf(reason !== undefined)(`Codex CLI (${reason ?? VERSION})`, () => {
  let network: TestNetwork;
  let home: string;
  let work: string;
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'dinf-codex-'));
    work = join(home, 'work');
    await mkdir(work);
    network = await startTestNetwork({
      providers: 1,
      tokenMs: 0,
      endless: false,
      contextTokens: 200_000,
      maxOutputTokens: 32_000,
    });
    await writeFile(join(home, 'config.toml'), settings(network.url));
  });
  afterAll(async () => {
    await network.expectMoneyBalances();
    await network[Symbol.asyncDispose]();
    await rm(home, { recursive: true });
  });

  /** Runs one turn of a session without a terminal, and returns the events that it prints. */
  async function turn(...args: string[]): Promise<Event[]> {
    const started = run(program, ['exec', '--skip-git-repo-check', '--json', ...args], {
      cwd: work,
      env: {
        PATH: process.env['PATH'],
        HOME: home,
        CODEX_HOME: home,
        DINF_API_KEY: network.apiKey,
      },
      maxBuffer: 64 * 1024 * 1024,
    });
    started.child.stdin?.end();
    const { stdout } = await started;
    return stdout
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line));
  }

  function expectAnswer(events: Event[]): void {
    expect(events.at(-1)).toMatchObject({ type: 'turn.completed' });
    expect(events).toContainEqual({
      type: 'item.completed',
      item: expect.objectContaining({ type: 'agent_message', text: expect.stringMatching(/./) }),
    });
  }

  /** The calls of tools and their results in the session that Codex has saved. */
  async function savedItems(): Promise<Item[]> {
    const names = await readdir(join(home, 'sessions'), { recursive: true });
    const files = names.filter((name) => name.endsWith('.jsonl'));
    const texts = await Promise.all(
      files.map((name) => readFile(join(home, 'sessions', name), 'utf8')),
    );
    return texts
      .join('')
      .split('\n')
      .filter((line) => line !== '')
      .map((line): Item => JSON.parse(line).payload);
  }

  test('answers two turns of one session with the default tools, and runs those it calls', {
    timeout: 240_000,
  }, async () => {
    expectAnswer(await turn('Read the file.'));
    // The second request of the turn brings the results of the tools that the first one called.
    expect(await network.charges()).toHaveLength(2);
    // The simulated model calls the first four tools. Without the tools of the shell, two of them are
    // in a namespace.
    expectAnswer(await turn('resume', '--last', '-c', 'features.shell_tool=false', 'Go on.'));
    const items = await savedItems();
    const call = items.find(({ namespace }) => namespace === 'multi_agent_v1');
    expect(call).toMatchObject({ type: 'function_call', name: 'close_agent' });
    const result = items.find(
      ({ type, call_id: id }) => type === 'function_call_output' && id === call?.call_id,
    );
    // The made-up id belongs to no agent. A tool that Codex does not find is an "unsupported call".
    expect(result?.output).toMatch(/^invalid agent id/);
  });
});

/** The settings that docs/clients/codex.md shows. */
const settings = (url: string): string => `
model = "sim"
model_provider = "dinf"
model_context_window = 200000

[model_providers.dinf]
name = "d-inference"
base_url = "${url}/v1"
env_key = "DINF_API_KEY"
wire_api = "responses"
`;

interface Item {
  readonly type?: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly call_id?: string;
  readonly output?: unknown;
}

interface Event {
  readonly type: string;
  readonly item?: object;
}
