import { execFile } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DINF } from './dinf-program.ts';
import { startTestNetwork, type TestNetwork } from './test-network.ts';

const LIMIT_MS = 60_000;
let network: TestNetwork;
beforeAll(async () => {
  // Slow enough that a stream takes longer than one that is only short.
  network = await startTestNetwork({ providers: 1, tokenMs: 30 });
}, LIMIT_MS);
afterAll(() => network[Symbol.asyncDispose]());

interface Examined {
  readonly code: number;
  readonly error: string;
  readonly states: Readonly<Record<string, string>>;
  readonly texts: Readonly<Record<string, string>>;
}

/** Runs `dinf doctor --network` for the network at `url`. */
async function examine(url: string, apiKey = ''): Promise<Examined> {
  const { promise, resolve } = Promise.withResolvers<Examined>();
  execFile(
    process.execPath,
    [DINF, 'doctor', '--network', '--json', '--coordinator', url],
    { env: { ...process.env, DINF_API_KEY: apiKey }, timeout: LIMIT_MS },
    (failure, stdout, error) => {
      const findings: { name: string; state: string; text: string }[] = JSON.parse(stdout);
      const table = (of: 'state' | 'text') =>
        Object.fromEntries(findings.map((finding) => [finding.name, finding[of]]));
      const code = typeof failure?.code === 'number' ? failure.code : 0;
      resolve({ code, error, states: table('state'), texts: table('text') });
    },
  );
  return promise;
}

/** A proxy that passes an answer on when it has all of it. */
async function collectingProxy(target: string): Promise<{ server: Server; url: string }> {
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part);
    const { authorization } = request.headers;
    const answer = await fetch(new URL(request.url ?? '/', target), {
      method: request.method ?? 'GET',
      headers: {
        'content-type': 'application/json',
        ...(authorization !== undefined && { authorization }),
      },
      ...(parts.length > 0 && { body: Buffer.concat(parts) }),
    });
    response.writeHead(answer.status, { 'content-type': 'text/event-stream' });
    response.end(Buffer.from(await answer.arrayBuffer()));
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

describe('dinf doctor --network', () => {
  test(
    'finds nothing in a healthy network, and shows a streamed answer',
    async () => {
      const { code, states, texts } = await examine(network.url, network.apiKey);
      expect({ code, texts }).toEqual({ code: 0, texts });
      expect(states).toEqual({
        address: 'ok',
        coordinator: 'ok',
        certificate: 'unknown',
        clock: 'ok',
        ready: 'ok',
        degraded: 'ok',
        hubs: 'ok',
        models: expect.stringMatching(/ok|advice/),
        operator_routes: 'ok',
        answer: 'ok',
        stream: 'ok',
      });
      expect(texts['answer']).toMatch(/began after \d+ ms and ended after \d+ ms/);
    },
    LIMIT_MS,
  );

  test(
    'notices a proxy that collects answers',
    async () => {
      const { server, url } = await collectingProxy(network.url);
      try {
        const { code, states, error } = await examine(url, network.apiKey);
        expect(states).toMatchObject({ answer: 'ok', stream: 'fault' });
        expect(code).toBe(69);
        expect(error).toContain('This network has faults: stream.');
      } finally {
        server.closeAllConnections();
        server.close();
      }
    },
    LIMIT_MS,
  );

  test(
    'names a key that is refused',
    async () => {
      const { states, texts } = await examine(network.url, `sk-dinf-${'a'.repeat(43)}`);
      expect(states).toMatchObject({ answer: 'fault' });
      expect(texts['answer']).toContain('401');
    },
    LIMIT_MS,
  );

  test(
    'names what a coordinator without its hub lacks, and the hub that cannot be reached',
    async () => {
      await network.network.hub.kill();
      const { code, states } = await examine(network.url);
      expect(code).toBe(69);
      expect(states).toMatchObject({ coordinator: 'ok', ready: 'fault', answer: 'unknown' });
      expect(states['hubs']).toMatch(/fault|unknown/);
    },
    LIMIT_MS,
  );

  test(
    'says so if nobody answers',
    async () => {
      const { states, error } = await examine('http://127.0.0.1:1');
      expect(states).toMatchObject({ coordinator: 'fault', ready: 'unknown', hubs: 'unknown' });
      expect(error).toContain('coordinator');
    },
    LIMIT_MS,
  );
});
