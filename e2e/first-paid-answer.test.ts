import { spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { codeHash, services } from '#bus-schemas';
import { setting } from '#bus-schemas/settings/settings.ts';
import { prepareRealModels } from '#cli/up/real-models.ts';
import { cacheFolder } from '#provider';
import { FakeHuggingFace } from '#testcontainers';
import { TINY_MODEL_FOLDER, tinyModel } from '#tiny-model';
import { packedProgram } from './made-once.ts';
import { startTestNetwork, type TestNetwork } from './test-network.ts';

/**
 * The way of a new owner, with only the commands that the program prints: the line of the install
 * page, the command that the installer prints, a choice in the list of models, and the code. With
 * DINF_FIRST_ANSWER the computer is fresh: everything is downloaded and compiled, and the model is
 * SmolLM2. Otherwise it is the tiny model, caches are used, and nothing is compiled.
 */
const isFresh = setting('DINF_FIRST_ANSWER');
const PATIENT_MS = 900_000;

let network: TestNetwork;
let hub: FakeHuggingFace;
let home: string;
let repository: string;
/** What the owner saw. */
let terminal = '';
const stack = new AsyncDisposableStack();

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'dinf-owner-'));
  stack.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  home = join(folder, 'home');
  await mkdir(home);
  const { path } = await packedProgram();
  network = stack.use(
    await startTestNetwork({ providers: 0, tokenMs: 2, config: { installPackage: path } }),
  );
  const signal = new AbortController().signal;
  const [real] = isFresh
    ? await prepareRealModels('smollm2', { signal, say: () => undefined })
    : [{ folder: TINY_MODEL_FOLDER, model: tinyModel }];
  const { folder: files = '', model = tinyModel } = real ?? {};
  repository = `mlx-community/${basename(files)}`;
  const served = join(folder, basename(files));
  await cp(files, served, { recursive: true });
  hub = stack.use(await FakeHuggingFace.start(repository, served));
  await network.network.putModels([{ ...model, huggingFaceId: repository }], []);
}, PATIENT_MS);
afterAll(() => stack.disposeAsync(), PATIENT_MS);

function ownersVariables(): NodeJS.ProcessEnv {
  const cached = {
    DINF_CACHE: cacheFolder(process.env),
    // The native part is not compiled, and no software compiles shaders: each takes minutes.
    CXX: '/no/compiler',
    DINF_ENGINE: 'reference',
    npm_config_prefer_offline: 'true',
  };
  return {
    ...process.env,
    HOME: home,
    PATH: `${dirname(process.execPath)}:${process.env['PATH']}`,
    DINF_HOME: undefined,
    DINF_CACHE: undefined,
    HF_HOME: undefined,
    HF_HUB_CACHE: undefined,
    HF_ENDPOINT: hub.url,
    NO_PROXY: '127.0.0.1',
    npm_config_cache: process.env['npm_config_cache'] ?? join(homedir(), '.npm'),
    npm_config_userconfig: process.env['npm_config_userconfig'] ?? join(homedir(), '.npmrc'),
    npm_config_update_notifier: 'false',
    npm_lifecycle_event: undefined,
    ...(isFresh ? {} : cached),
  };
}

/** Runs a command at a terminal, and writes the processor time of it and its children to a file. */
const SCRIPT =
  process.platform === 'darwin'
    ? 'script -q /dev/null /bin/bash -c "$0"'
    : 'script --quiet --return --command "$0" /dev/null';
const AT_TERMINAL = `${SCRIPT}; code=$?; times > "$1"; exit $code`;
/** Processor time of the commands so far, which does not depend on what else the computer does. */
let processorSeconds = 0;
const secondsIn = (times: string): number =>
  [...times.matchAll(/(\d+)m([\d.]+)s/g)].reduce(
    (sum, [, minutes, seconds]) => sum + 60 * Number(minutes) + Number(seconds),
    0,
  );

// biome-ignore lint/suspicious/noControlCharactersInRegex: terminals are controlled by them
const TO_FIRST_COLUMN = /\u001b\[\d*G/g;

interface Reply {
  /** Text after which the owner types, or does something elsewhere. */
  readonly after: RegExp;
  readonly with: (match: RegExpExecArray) => Promise<string | undefined>;
}

/** Types a command at a terminal, and the replies to what it asks. Returns what it printed. */
async function type(command: string, replies: readonly Reply[] = []): Promise<string> {
  terminal += `$ ${command}\n`;
  const used = join(dirname(home), 'times');
  const shell = spawn('/bin/bash', ['-c', AT_TERMINAL, command, used], {
    env: ownersVariables(),
    cwd: home,
  });
  let printed = '';
  const left = [...replies];
  shell.stdout.on('data', (bytes: Buffer) => {
    printed += bytes.toString();
    const match = left[0]?.after.exec(printed);
    if (match)
      void left
        .shift()
        ?.with(match)
        .then((text) => text !== undefined && shell.stdin.write(`${text}\n`));
  });
  const { promise, resolve: ended } = Promise.withResolvers<number | null>();
  shell.once('close', (code) => ended(code));
  expect(await promise, printed).toBe(0);
  processorSeconds += secondsIn(await readFile(used, 'utf8'));
  // Of a line that was overwritten, only the last state is seen.
  const overwritten = printed.replaceAll(TO_FIRST_COLUMN, '\r').replaceAll('\r\n', '\n');
  const seen = stripVTControlCharacters(overwritten);
  const text = seen.replaceAll(/^.*\r/gm, '').trimEnd();
  terminal += `${text}\n\n`;
  return text;
}

/** An operator lists the code of a package as a release before they offer it. */
async function addRelease(program: string): Promise<void> {
  const root = dirname(dirname(await realpath(program)));
  await network.network.coordinator.bus.call(
    services.releases.add,
    { version: 'offered', codeHash: codeHash(root) },
    { timeoutMs: 10_000 },
  );
}

test.skipIf(!['linux', 'darwin'].includes(process.platform))(
  'from the install line to the first paid answer of a downloaded model, with only the commands that the program printed',
  { timeout: PATIENT_MS },
  async ({ skip }) => {
    const owner = await network.person('owner');
    const page = await (await fetch(`${network.url}/install`)).text();
    const installLine = /curl -fsSL \S+\/install\.sh \| sh/.exec(page)?.[0] ?? '';
    const startedAt = performance.now();
    const installed = await type(installLine).catch((error: unknown) => {
      if (/registry|ENOTFOUND|ECONNREFUSED|network/i.test(String(error)))
        skip('the package registry cannot be reached');
      throw error;
    });
    const start = /^ {2}(\S+ provider start --link \S+ \S+)$/m.exec(installed)?.[1] ?? '';
    const program = start.split(' ')[0];
    stack.defer(async () => void (await type(`${program} provider stop`)));
    const installMs = performance.now() - startedAt;
    await addRelease(program ?? '');
    await type(start, [
      { after: /Enter for 1: /, with: async () => '1' },
      {
        after: /enter (\S{4}-\S{4})/,
        with: async ([, code]) => {
          await owner.ask('POST', '/v1/device/approve', { user_code: code });
          return undefined;
        },
      },
    ]);
    const readyMs = performance.now() - startedAt;
    const answer = await vi.waitFor(
      async () => {
        const reply = await network.ask('POST', '/v1/chat/completions', {
          token: network.apiKey,
          body: {
            model: isFresh ? 'smollm2-135m-instruct' : 'dinf-tiny',
            messages: [{ role: 'user', content: 'What is 12 + 30?' }],
            max_tokens: 50,
          },
        });
        expect(reply.status, `${reply.text}\n${terminal}`).toBe(200);
        return reply.json;
      },
      { timeout: 60_000, interval: 200 },
    );
    const answeredMs = performance.now() - startedAt;
    expect(answer.choices[0].message.content).not.toBe('');
    const [charge] = await network.charges();
    expect(charge).toMatchObject({ outcome: 'settled' });
    expect(charge?.chargedMicroUsd).toBeGreaterThan(0);
    await vi.waitFor(
      async () =>
        expect((await owner.ask('GET', '/v1/earnings')).json.lifetime_micro_usd).toBeGreaterThan(0),
      { timeout: 60_000 },
    );
    await type(`${program} provider status`);
    await type(`${program} provider earnings --by job`);
    const seconds = (ms: number) => `${(ms / 1_000).toFixed(0)} s`;
    console.log(
      `${terminal.replaceAll(home, '/home/ann')}installed after ${seconds(installMs)}, ready after ${seconds(readyMs)}, answered after ${seconds(answeredMs)}; the commands used ${processorSeconds.toFixed(0)} s of the processors`,
    );
    expect(terminal).toContain('complete');
  },
);
