import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ControlClient } from '#provider/service/control-client.ts';
import { DINF } from './dinf-program.ts';
import { readStream } from './read-stream.ts';
import { startTestNetwork, type TestNetwork } from './test-network.ts';

const chat = {
  model: 'sim-llama-8b',
  messages: [{ role: 'user', content: 'Hello?' }],
  max_tokens: 5,
};
const run = promisify(execFile);

let network: TestNetwork;
let home: string;
let client: ControlClient;

/** Runs `dinf provider …` for the machine of this test, and returns what it printed. */
async function provider(name: string, ...args: string[]): Promise<string> {
  const { stdout } = await run(
    process.execPath,
    [DINF, 'provider', name, '--home', home, ...args],
    {
      env: {
        ...process.env,
        DINF_HOME: join(network.network.home, 'elsewhere'),
        // As `npx` sets it: the service must go on after npx has ended.
        npm_lifecycle_event: 'npx',
      },
    },
  );
  return stdout;
}
/** The first process that pgrep finds. */
async function pidOf(query: readonly string[]): Promise<string> {
  const { stdout } = await run('pgrep', [...query]);
  return stdout.split('\n', 1)[0] ?? '';
}
const phase = async () => (await client.state()).phase;
const answer = async () => (await readStream(network, chat)).status;

beforeEach(async () => {
  network = await startTestNetwork({ providers: 0, tokenMs: 2 });
  home = join(network.network.home, 'machine');
  client = new ControlClient(home);
});
afterEach(async () => {
  if ((await client.hello()) !== undefined) await provider('stop');
  await network.expectMoneyBalances();
  await network[Symbol.asyncDispose]();
});

test('a machine serves in the background, is paused and resumed, survives the end of its worker, and stops', {
  timeout: 400_000,
}, async () => {
  const options = ['--coordinator', network.url, '--engine', 'simulated'];
  const token = await network.network.enrolToken();
  expect(await provider('status')).toMatch(/^Stopped\. "dinf provider start"/);
  expect(await provider('start', ...options, '--token', token)).toMatch(/\n(Ready|Connected): /);
  await expect.poll(phase).toBe('serving');
  await expect.poll(answer).toBe(200);

  const status = JSON.parse(await provider('status', '--json'));
  expect(status).toMatchObject({ phase: 'serving', coordinator: network.url, engine: 'simulated' });
  await expect.poll(async () => (await client.state()).answers.total).toBeGreaterThan(0);
  const { events, next } = await client.events(0, 0);
  expect(events.map(({ text }) => text)).toContainEqual(
    expect.stringMatching(/^sim-llama-8b\S* answered 5 tokens to \d+ in /),
  );

  expect(await provider('pause')).toMatch(/^Paused by you/);
  await expect.poll(answer).not.toBe(200);
  expect(await provider('resume')).toMatch(/^(Ready|Serving)/);
  await expect.poll(answer).toBe(200);

  await expect
    .poll(() => provider('earnings', '--by', 'job'), { timeout: 20_000 })
    .toMatch(/^This machine earned \$0\.\d+ today.*\njob_\S+ .*\nSpend it: /s);

  expect(await provider('status')).toMatch(
    /^(Ready|Serving).*answers? with [\d.]+ tokens\/s.*\nearned +\$0\.\d+ today/s,
  );
  const file = join(home, 'report.txt');
  await provider('report', '--to', file);
  const report = await readFile(file, 'utf8');
  for (const name of ['coordinator', 'hub', 'service', 'trust', 'bus_key', 'version'])
    expect(report).toContain(`ok ${name}: `);
  expect(report).not.toContain(await readFile(join(home, 'user.nk'), 'utf8'));

  const log = await provider('logs', '--lines', '500');
  expect(log).toContain(`provider ${status.provider} serves`);
  process.kill(Number(await pidOf(['-f', `provider --home ${home} --coordinator`])), 'SIGKILL');
  await expect
    .poll(async () => (await client.events(next, 0)).events.map(({ text }) => text))
    .toContainEqual(expect.stringMatching(/^Starting again .*the worker was ended by SIGKILL/));
  await expect.poll(phase).toBe('serving');
  await expect.poll(answer).toBe(200);

  expect(await provider('stop')).toMatch(/Stopped\.\n$/);
  expect(await client.hello()).toBeUndefined();
  await expect(provider('pause')).rejects.toMatchObject({
    code: 69,
    stderr: expect.stringContaining('No service runs in'),
  });
});

test('an engine that is killed is named in the events, and the machine serves again, until its schedule closes it', {
  timeout: 400_000,
}, async () => {
  const token = await network.network.enrolToken();
  const options = ['--coordinator', network.url, '--engine', 'reference', '--token', token];
  await expect(provider('start', ...options)).rejects.toMatchObject({
    code: 64,
    stderr: expect.stringMatching(/No model is chosen\. "dinf provider start --model NAME" names/),
  });
  await provider('start', ...options, '--model', 'dinf-tiny-4bit');
  await expect.poll(phase).not.toBe('starting');
  const { next } = await client.events(0, 0);
  const worker = await pidOf(['-f', `provider --home ${home} --coordinator`]);
  const engine = await pidOf(['-P', worker, '-f', 'engine-program']);
  process.kill(Number(engine), 'SIGKILL');
  await expect
    .poll(async () => (await client.events(next, 0)).events.map(({ text }) => text))
    .toContainEqual('Not serving: the engine ended unexpectedly. It is started again.');
  await expect.poll(phase).not.toBe('engine_down');
  await expect
    .poll(async () => (await client.state()).models.map(({ state }) => state))
    .toEqual(['resident']);

  const hour = (new Date().getUTCHours() + 12) % 24;
  const hours = `daily ${String(hour).padStart(2, '0')}:00-${String(hour).padStart(2, '0')}:30 UTC`;
  expect(await provider('start', '--schedule', hours)).toMatch(
    /\nClosed: your schedule \(--schedule\) excludes this hour\. It opens in \d+ (h|min)\.\n$/,
  );
});

test('a machine that is not enrolled says what its owner must do, and does not try again', {
  timeout: 200_000,
}, async () => {
  const options = ['--coordinator', network.url, '--engine', 'simulated'];
  await expect(provider('start', ...options)).rejects.toMatchObject({
    stderr: expect.stringMatching(/This machine is not enrolled yet: start it with --link/),
  });
  expect(await client.state()).toMatchObject({ phase: 'failed', failures: 1 });
  const token = await network.network.enrolToken();
  await provider('stop');
  await provider('start', '--token', token);
  await expect.poll(phase).toBe('serving');
});
