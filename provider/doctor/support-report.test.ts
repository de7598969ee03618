import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Nkey } from '#bus-schemas';
import { hideSecrets, supportReport } from './support-report.ts';

const PROMPT = 'Write a letter to my grandmother about the garden.';
const KEY = Nkey.create('user').seed;

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'dinf-report-'));
});
afterEach(() => rm(home, { recursive: true }));

const report = () =>
  supportReport({
    home,
    version: '0.1.0',
    findings: [
      { name: 'clock', meaning: 'Time.', state: 'fault', text: 'The clock is 200 s ahead.' },
    ],
    state: {
      phase: 'waiting_for_approval',
      sentence: 'Waiting for you: sign in at https://net/link and enter ABCD-EFGH.',
      since: '',
      running: 0,
      models: [],
      approval: { code: 'ABCD-EFGH', page: 'https://net/link' },
      answers: { total: 0, tokens: 0, by_build: {} },
      failures: 0,
    },
    settings: undefined,
    now: 0,
  });

test('a report has findings, state and log, and neither a prompt nor a key from the home', async () => {
  await mkdir(join(home, 'log'));
  await writeFile(join(home, 'user.nk'), KEY);
  await writeFile(join(home, 'prompt.txt'), PROMPT);
  const lines = [
    { level: 30, time: 1, msg: 'a job began', prompt: PROMPT, nested: { messages: [PROMPT] } },
    { level: 50, time: 2, msg: `the key ${KEY} is wrong`, code: 'bad_key' },
  ].map((line) => JSON.stringify(line));
  await writeFile(join(home, 'log', 'provider.log'), [...lines, PROMPT, `key: ${KEY}`].join('\n'));
  const text = await report();
  expect(text).toContain('fault clock: The clock is 200 s ahead.');
  expect(text).toContain('"phase": "waiting_for_approval"');
  expect(text).toContain('{"time":1,"level":30,"msg":"a job began"}');
  expect(text).toContain('the key [secret] is wrong","code":"bad_key"');
  expect(text).not.toContain('grandmother');
  expect(text).not.toContain(KEY);
  expect(text).not.toContain('ABCD-EFGH');
});

test('a machine without a log gets a report too', async () => {
  expect(await report()).toMatch(/# log\n\n\n$/);
});

test.each([
  'eyJhbGciOiJlZDI1NTE5In0.eyJzdWIiOiJ4In0.c2ln',
  'sk-db-0123456789abcdef',
  'hf_abcdefghijklmnop',
  'Bearer abc.def',
  '-----BEGIN PRIVATE KEY-----\nMIG\n-----END PRIVATE KEY-----',
])('the secret %j is replaced', (secret) => {
  expect(hideSecrets(`before ${secret} after`)).toBe('before [secret] after');
});
