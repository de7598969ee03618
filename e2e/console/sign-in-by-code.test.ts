import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DINF } from '../dinf-program.ts';
import { askToLink } from '../linked-machine.ts';
import { type Person, startTestNetwork, type TestNetwork } from '../test-network.ts';

let network: TestNetwork;
let ann: Person;
/** The home of a computer on which no network runs. */
let home: string;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'dinf-elsewhere-'));
  network = await startTestNetwork({ providers: 0, tokenMs: 1 });
  ann = await network.person('ann');
});
afterAll(async () => {
  await network?.[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});

function dinf(...args: string[]) {
  const child = spawn(process.execPath, [DINF, ...args], {
    env: { ...process.env, DINF_HOME: home, DINF_COORDINATOR: network.url },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  const codes = new Set<string>();
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      const [, code] = /approve the code ([A-Z]{4}-[A-Z]{4})/.exec(line) ?? [];
      if (code !== undefined) codes.add(code);
    });
  return {
    text: () => lines.join('\n'),
    code: async () => {
      await expect.poll(() => codes.size, { timeout: 60_000 }).toBe(1);
      return [...codes][0] ?? '';
    },
    end: async () => (await once(child, 'close'))[0] as number,
  };
}

const requestOf = (code: string) => ann.ask('GET', `/v1/device/request?user_code=${code}`);
const decide = (code: string, body: object) =>
  ann.ask('POST', '/v1/device/approve', { user_code: code, ...body });

test('dinf approve without a sign-in says how to sign in', { timeout: 120_000 }, async () => {
  const approving = dinf('approve', 'WDJB-MJHT');
  expect(await approving.end()).not.toBe(0);
  expect(approving.text()).toContain('Run "dinf sign-in" first');
});

test('dinf sign-in shows a code, and after its approval dinf approve links a machine', {
  timeout: 180_000,
}, async () => {
  const signingIn = dinf('sign-in');
  const code = await signingIn.code();
  const asking = await requestOf(code);
  expect(asking.json).toMatchObject({
    purpose: 'sign_in',
    client: expect.stringContaining('dinf on '),
    address: '127.0.0.1',
  });
  // Who approves a machine must not sign in a stranger.
  expect((await decide(code, {})).status).toBe(404);
  expect((await decide(code, { purpose: 'sign_in' })).json).toEqual({ approved: true });
  expect(await signingIn.end()).toBe(0);
  const file = join(home, 'session.json');
  expect((await stat(file)).mode & 0o077).toBe(0);

  const machine = await askToLink(network);
  const approving = dinf('approve', machine.userCode);
  expect(await approving.end()).toBe(0);
  await using _fleet = await machine.start({ name: 'attic' });
  const { data } = (await ann.ask('GET', '/v1/me/providers')).json;
  expect(data).toHaveLength(1);

  const changes = (await ann.ask('GET', '/v1/me/changes')).json.data;
  expect(changes).toContainEqual(
    expect.objectContaining({ action: 'sign-in', detail: expect.stringContaining('"by":"code"') }),
  );

  // The session ends like every other one.
  const { cookie } = JSON.parse(await readFile(file, 'utf8')) as { cookie: string };
  const headers = { cookie, 'x-dinf-console': '1', origin: network.url };
  expect((await network.ask('DELETE', '/console/sessions', { headers })).status).toBe(200);
  expect((await network.ask('GET', '/v1/me', { headers })).status).toBe(401);
});

test('a denied program gets nothing', { timeout: 120_000 }, async () => {
  const signingIn = dinf('sign-in');
  const code = await signingIn.code();
  await decide(code, { purpose: 'sign_in', approve: false });
  expect(await signingIn.end()).not.toBe(0);
  expect(signingIn.text()).toContain('refused this sign-in');
});
