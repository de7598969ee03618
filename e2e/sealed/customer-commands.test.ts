import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ed25519Signer, hex, signHead } from '#bus-schemas';
import { startSupervised } from '#provider';
import { DINF, operatorSettings } from '../dinf-program.ts';
import { expectedText, startTestNetwork, type TestNetwork } from '../test-network.ts';
import { startLiar } from './sealed-network.ts';

const run = promisify(execFile);

let network: TestNetwork;
let home: string;
beforeAll(async () => {
  network = await startTestNetwork({ providers: 1, tokenMs: 2 });
  home = await mkdtemp(join(tmpdir(), 'dinf-customer-'));
}, 60_000);
afterAll(async () => {
  await network[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});

const env = () => ({ ...process.env, DINF_HOME: home });
const witness = (url: string, ...more: string[]) =>
  run(process.execPath, [DINF, 'witness', '--once', '--coordinator', url, ...more], {
    env: env(),
    timeout: 30_000,
  });

test('dinf proxy serves an unmodified SDK and prints the key that the log is signed with', async () => {
  await using proxy = await startSupervised({
    name: 'proxy',
    command: process.execPath,
    args: [DINF, 'proxy', '--coordinator', network.url, '--port', '0'],
    env: env(),
    isReady: (line) => line.includes('signed with'),
  });
  const baseURL = /base URL\s+(\S+)/.exec(proxy.logs().join('\n'))?.[1] ?? '';
  const openai = new OpenAI({ baseURL, apiKey: network.apiKey, maxRetries: 0 });
  const messages = [{ role: 'user' as const, content: 'Through the proxy' }];
  const { choices } = await openai.chat.completions.create({
    model: 'sim',
    messages,
    max_tokens: 8,
  });
  expect(choices[0]?.message.content).toBe(expectedText(messages, 8));
});

describe('dinf chat', () => {
  const chat = (args: readonly string[], piped = '', key: string | undefined = network.apiKey) => {
    const started = run(process.execPath, [DINF, 'chat', ...args, '--coordinator', network.url], {
      env: { ...env(), DINF_API_KEY: key },
      timeout: 30_000,
    });
    started.child.stdin?.end(piped);
    return started;
  };

  test('prints the answer to a message, and its tokens and cost beside it', async () => {
    const messages = [{ role: 'user' as const, content: 'How are you?' }];
    const limit = ['--max-tokens', '8'];
    const { stdout, stderr } = await chat(['sim', '--once', 'How are you?', ...limit]);
    expect(stdout).toBe(`${expectedText(messages, 8)}\n`);
    expect(stderr).toMatch(/ tokens in, 8 out .*; cost \$0\.\d{6}; machine \w+ \(self_signed/);
  });

  test('asks what a pipe has, with the instructions of --system', async () => {
    const system = 'Be short.';
    const { stdout } = await chat(['sim', '--system', system, '--max-tokens', '8'], 'Why?');
    const messages = [
      { role: 'system' as const, content: system },
      { role: 'user' as const, content: 'Why?' },
    ];
    expect(stdout).toBe(`${expectedText(messages, 8)}\n`);
  });

  test('says which key or model it needs', async () => {
    const stderr = (text: RegExp) => ({ stderr: expect.stringMatching(text) });
    await expect(chat(['other', '--once', 'Hi'])).rejects.toMatchObject(
      stderr(/Models that are served now: .*sim/),
    );
    await expect(chat(['sim', '--once', 'Hi'], '', '')).rejects.toMatchObject(
      stderr(/There is no API key for http.*Set DINF_API_KEY to one/),
    );
  });
});

describe('dinf witness', () => {
  test('reports a continuation of the log in every run', async () => {
    for (let time = 0; time < 2; time += 1)
      expect((await witness(network.url)).stdout).toMatch(/ entries, [0-9a-f]{64}: a continuation/);
  });

  test('prints an alarm and fails if the log contradicts the head that an earlier run has saved', async () => {
    const own = await readFile(join(network.network.home, 'keys', 'log.pem'), 'utf8');
    let forks = false;
    await using liar = await startLiar(network.url, ({ path, text }) => {
      if (!forks || path !== '/v1/transparency/head') return undefined;
      const { size, at } = JSON.parse(text);
      const { key, signature } = signHead(ed25519Signer(own), {
        size,
        at,
        root: Buffer.alloc(32, 7),
      });
      return JSON.stringify({
        size,
        at,
        root: '07'.repeat(32),
        key: hex(key),
        signature: hex(signature),
      });
    });
    await witness(liar.url);
    forks = true;
    await expect(witness(liar.url)).rejects.toMatchObject({
      stderr: expect.stringMatching(/ALARM: The first \d+ entries of the log differ from/),
    });
  });

  test('prints an alarm if the log is not signed with the given key', async () => {
    await expect(witness(network.url, '--log-key', '11'.repeat(32))).rejects.toMatchObject({
      stderr: expect.stringContaining('ALARM'),
    });
  });
});

test('dinf trust list shows the level of machines, and dinf release list the releases that they may run', async () => {
  const operator = {
    env: { ...process.env, ...operatorSettings(network.network) },
    timeout: 30_000,
  };
  const { stdout: machines } = await run(process.execPath, [DINF, 'trust', 'list'], operator);
  expect(machines).toMatch(new RegExp(`^${network.providers[0]?.id}\\s+verified\\s+self_signed`));
  const { stdout: hash } = await run(process.execPath, [DINF, 'release', 'hash'], operator);
  const { stdout: releases } = await run(process.execPath, [DINF, 'release', 'list'], operator);
  expect(releases).toMatch(new RegExp(`^${hash.trim()}\\s+\\S+\\s+active`));
  await expect(
    run(process.execPath, [DINF, 'release', 'withdraw', hash.trim()], operator),
  ).rejects.toMatchObject({
    stderr: expect.stringContaining('would stop the network'),
  });
});
