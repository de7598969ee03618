import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CAN_SHARE_PORTS } from '#coordinator/worker-place.ts';
import { freePort } from '#network';
import { type SupervisedProcess, startSupervised } from '#provider';
import { DINF, operatorSettings } from './dinf-program.ts';
import { readStream } from './read-stream.ts';
import {
  answerOf,
  manySealed,
  requestFor,
  startCustomer,
  wishFor,
} from './sealed/sealed-network.ts';
import { socketsOf } from './sockets-of-process.ts';
import { expectedText, startTestNetwork, type TestNetwork } from './test-network.ts';

const WORKERS = 3;
const TOKEN_MS = 5;
/** Enough that each of the workers has some of them, except once in ten million runs. */
const CONNECTIONS = 48;
const SEALED = 24;
/** In /proc/net/tcp: the state of a connection that is in use, and the column of its inode. */
const ESTABLISHED = '01';
const INODE = 9;

/** The server's ends of the connections with a port, as /proc names them. */
function establishedAt(port: number): ReadonlySet<string> {
  const local = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const rows = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/));
  return new Set(
    rows
      .filter(([, address, , state]) => address?.endsWith(local) && state === ESTABLISHED)
      .map((fields) => fields[INODE] ?? ''),
  );
}

describe.skipIf(!CAN_SHARE_PORTS)(
  `ingresses that share a port${CAN_SHARE_PORTS ? '' : ' (skipped: processes can share a port only on Linux)'}`,
  { timeout: 120_000 },
  () => {
    let network: TestNetwork;
    let workers: SupervisedProcess;
    let target: { url: string; apiKey: string };
    beforeAll(async () => {
      network = await startTestNetwork({ providers: 2, tokenMs: TOKEN_MS, maxConcurrency: 64 });
      const port = await freePort();
      target = { url: `http://127.0.0.1:${port}`, apiKey: network.apiKey };
      workers = await startWorkers(port);
    }, 120_000);
    afterAll(async () => {
      await workers?.stop();
      await network.expectMoneyBalances();
      await network[Symbol.asyncDispose]();
    });

    const startWorkers = (port: number) =>
      startSupervised({
        name: 'the workers',
        command: process.execPath,
        args: [DINF, 'coordinator', '--components', 'ingress', '--workers', String(WORKERS)],
        env: {
          ...process.env,
          ...operatorSettings(network.network),
          DINF_HTTP_PORT: String(port),
          // A connection that was just accepted has this time for its request.
          DINF_DRAIN_NOTICE_MS: '1000',
          DINF_ACCOUNT_RPM: '0',
          DINF_LOG: 'info',
        },
        readyTimeoutMs: 60_000,
        stopTimeoutMs: 60_000,
        isReady: (line) => line.includes(`"workers":${WORKERS}`),
      });
    const pids = () =>
      execFileSync('ps', ['--ppid', String(workers.pid), '-o', 'pid='], { encoding: 'utf8' })
        .split('\n')
        .map(Number)
        .filter((pid) => pid > 0);

    /** Asks on a new connection, and returns the status. */
    const askAnew = () =>
      new Promise<number | string>((resolve) => {
        const body = JSON.stringify({
          model: 'sim',
          messages: [{ role: 'user', content: 'Who is there?' }],
          max_tokens: 2,
        });
        request(
          `${target.url}/v1/chat/completions`,
          {
            method: 'POST',
            agent: false,
            headers: {
              authorization: `Bearer ${target.apiKey}`,
              'content-type': 'application/json',
              'content-length': Buffer.byteLength(body),
            },
          },
          async (response) => {
            const text = (await response.setEncoding('utf8').toArray()).join('');
            resolve(response.statusCode === 200 ? 200 : `${response.statusCode} ${text}`);
          },
        )
          .once('error', (error) => resolve(error.message))
          .end(body);
      });

    /** Number of connections that each worker has at this moment. */
    const connectionsOf = () => {
      const sockets = establishedAt(Number(new URL(target.url).port));
      return pids().map((pid) => socketsOf(pid).filter((socket) => sockets.has(socket)).length);
    };

    test('connections are spread over all of them', async () => {
      const leaving = new AbortController();
      const underWay = Array.from({ length: CONNECTIONS }, () => Promise.withResolvers<void>());
      const streams = underWay.map(({ resolve }) =>
        readStream(
          target,
          {
            model: 'sim',
            messages: [{ role: 'user', content: 'Tell me everything.' }],
            max_tokens: 4_000,
          },
          { signal: leaving.signal, onContent: () => resolve() },
        ).catch(() => undefined),
      );
      await Promise.all(underWay.map(({ promise }) => promise));
      const connections = connectionsOf();
      leaving.abort();
      await Promise.all(streams);
      expect(connections).toHaveLength(WORKERS);
      for (const count of connections) expect(count).toBeGreaterThan(0);
      expect(connections.reduce((sum, count) => sum + count)).toBe(CONNECTIONS);
    });

    test('a sealed request is answered whichever worker its connections reach', async () => {
      await using customer = await startCustomer(target.url);
      const key = `Bearer ${target.apiKey}`;
      for (let round = 0; round < 2; round += 1) {
        const { texts, expected } = await manySealed(customer, network, SEALED);
        expect(texts).toEqual(expected);
      }
      // Without a session: the ids of the jobs were assigned by any of the workers.
      const asked = requestFor('No session', 8);
      const wish = wishFor(asked);
      const guessed = await Promise.all(
        Array.from({ length: SEALED }, async () => {
          const place = await customer.client.place(wish, key);
          const answer = await answerOf(customer.client.run({ wish, request: asked, place }, key));
          return { isHeld: place.isHeld, text: answer.text };
        }),
      );
      const text = expectedText([{ role: 'user', content: 'No session' }], 8);
      for (const answer of guessed) expect(answer.text).toBe(text);
      expect(guessed.filter(({ isHeld }) => !isHeld).length).toBeGreaterThan(0);
    });

    test('a worker that is killed is started again, and the others serve meanwhile', async () => {
      const before = pids();
      process.kill(before[0] as number, 'SIGKILL');
      await expect.poll(askAnew).toBe(200);
      await expect
        .poll(() => pids().filter((pid) => !before.includes(pid)).length, { timeout: 30_000 })
        .toBe(1);
      await expect
        .poll(() => workers.logs().filter((line) => line.includes('it was started again')).length, {
          timeout: 30_000,
        })
        .toBe(1);
      await expect.poll(askAnew).toBe(200);
    });

    test('when others take over the port, running answers are finished and every new connection is served', async () => {
      const messages = [{ role: 'user', content: 'A long story, please.' }];
      const begun = Promise.withResolvers<void>();
      const story = readStream(
        target,
        { model: 'sim', messages, max_tokens: 800 },
        { onContent: () => begun.resolve() },
      );
      await begun.promise;
      const old = workers;
      workers = await startWorkers(Number(new URL(target.url).port));
      const statuses: (number | string)[] = [];
      const stopping = old.stop();
      let hasStopped = false;
      void stopping.then(() => {
        hasStopped = true;
      });
      while (!hasStopped) statuses.push(await askAnew());
      expect(statuses.filter((status) => status !== 200)).toEqual([]);
      expect(statuses.length).toBeGreaterThan(0);
      const { text, done, errors } = await story;
      expect([done, errors]).toEqual([1, []]);
      expect(text).toBe(expectedText(messages, 800));
      expect((await stopping).code).toBe(0);
    });
  },
);
