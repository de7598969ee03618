import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createSocketServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { PINNED } from '#bin/choose-node.mjs';
import { NATS_RELEASE } from '#provider/leaf/release-archive.ts';
import { startNatsHub } from '#testcontainers';
import { instructionsOf, parseContainerfile } from './containerfile.ts';

const HERE = import.meta.dirname;
const IMAGES = ['hub', 'coordinator', 'provider'];
const file = parseContainerfile(readFileSync(join(HERE, 'Containerfile'), 'utf8'));
const lastOf = (image: string, name: string) =>
  instructionsOf(file, image).findLast((instruction) => instruction.name === name)?.text ?? '';

describe('the Containerfile', () => {
  test('pins every base image by digest, in the versions that the program pins', () => {
    const { NODE = '', NATS = '', DEBIAN = '' } = file.bases;
    expect(NODE).toMatch(new RegExp(`^node:${PINNED}-trixie-slim@sha256:[0-9a-f]{64}$`));
    expect(NATS).toMatch(new RegExp(`^nats:${NATS_RELEASE}-alpine@sha256:[0-9a-f]{64}$`));
    expect(DEBIAN).toMatch(/^debian:13\.\d+-slim@sha256:[0-9a-f]{64}$/);
  });

  test.each(IMAGES)('runs %s as a user without privileges, and checks its health', (image) => {
    expect(lastOf(image, 'USER')).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    expect(lastOf(image, 'HEALTHCHECK')).toMatch(
      /CMD \["(bash|node)", "\/usr\/local\/lib\/d-inference\//,
    );
    expect(lastOf(image, 'ENTRYPOINT')).toMatch(/^\["(dinf|nats-server)"\]$/);
  });

  test('has neither a compiler nor npm in an image', () => {
    const install = file.stages.find(({ name }) => name === 'install');
    expect(install?.instructions.some(({ text }) => text.includes('g++'))).toBe(true);
    for (const image of IMAGES)
      for (const { name, text } of instructionsOf(file, image)) {
        if (name === 'RUN') expect(text).not.toMatch(/g\+\+|npm/);
        if (name === 'COPY') expect(text).not.toContain('node_modules/npm');
      }
  });

  test('sets no secret, and takes none as an argument', () => {
    const named = file.stages
      .flatMap(({ instructions }) => instructions)
      .filter(({ name }) => name === 'ENV' || name === 'ARG')
      .filter(({ text }) => /KEY|TOKEN|SECRET|PASSWORD|CREDS|DATABASE/.test(text));
    expect(named).toEqual([]);
  });

  test('copies only files of its folder and the packed program', () => {
    const copied = file.stages
      .flatMap(({ instructions }) => instructions)
      .filter(({ name, text }) => name === 'COPY' && !text.startsWith('--from='))
      .map(({ text }) => text.split(/\s+/)[0]);
    expect(copied.toSorted()).toEqual([
      'd-inference.tgz',
      'health.mjs',
      'hub-health.sh',
      'provider-health.sh',
    ]);
    expect(readdirSync(HERE)).toEqual(
      expect.arrayContaining(copied.filter((name) => name !== 'd-inference.tgz')),
    );
  });
});

/** Runs the check of an image and returns its exit code and the reason that it prints. */
async function health(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<{ code: number; reason: string }> {
  const [, script = ''] = /"\/usr\/local\/lib\/d-inference\/([^"]+)"/.exec(command) ?? [];
  const program = command.includes('"node"') ? process.execPath : 'bash';
  return promisify(execFile)(program, [join(HERE, script), ...args], {
    env: { ...process.env, ...env },
  }).then(
    () => ({ code: 0, reason: '' }),
    ({ code, stderr }: { code: number; stderr: string }) => ({ code, reason: stderr }),
  );
}
const check = (image: string) => lastOf(image, 'HEALTHCHECK');

describe('the health check', () => {
  test('of a hub passes while the hub greets clients, and fails after it', async () => {
    await using hub = await startNatsHub({
      config: ({ host, ports }) => `host: ${host}\nport: ${ports.client}`,
    });
    const HUB_CLIENT_PORT = String(hub.ports.client);
    expect(await health(check('hub'), [], { HUB_CLIENT_PORT })).toMatchObject({ code: 0 });
    await hub.stop();
    expect(await health(check('hub'), [], { HUB_CLIENT_PORT })).toMatchObject({ code: 1 });
  });

  test('of a hub fails if another program answers on its port', async () => {
    const other = createSocketServer((socket) => socket.end('SSH-2.0\n'));
    onTestFinished(() => void other.close());
    await new Promise<void>((listening) => other.listen(0, '127.0.0.1', listening));
    const HUB_CLIENT_PORT = String((other.address() as AddressInfo).port);
    expect(await health(check('hub'), [], { HUB_CLIENT_PORT })).toEqual({
      code: 1,
      reason: expect.stringContaining('SSH-2.0'),
    });
  });

  test('of a coordinator asks the API whether it is ready', async () => {
    let status = 200;
    const api = createServer((request, response) =>
      response.writeHead(request.url === '/readyz' ? status : 404).end('{"missing":["bus"]}'),
    );
    onTestFinished(() => void api.close());
    await new Promise<void>((listening) => api.listen(0, '127.0.0.1', listening));
    const { port } = api.address() as AddressInfo;
    const env = { DINF_HTTP_PORT: String(port) };
    expect(await health(check('coordinator'), [], env)).toMatchObject({ code: 0 });
    status = 503;
    expect(await health(check('coordinator'), [], env)).toEqual({
      code: 1,
      reason: expect.stringContaining('HTTP 503: {"missing":["bus"]}'),
    });
    const other = `http://127.0.0.1:${port}/metrics`;
    expect(await health(check('coordinator'), [other], env)).toEqual({
      code: 1,
      reason: expect.stringContaining('HTTP 404'),
    });
  });

  test('of a provider passes only while its leaf runs', async () => {
    const proc = mkdtempSync(join(tmpdir(), 'dinf-proc-'));
    onTestFinished(() => rmSync(proc, { recursive: true }));
    const run = (pid: string, program: string) => {
      mkdirSync(join(proc, pid));
      writeFileSync(join(proc, pid, 'comm'), `${program}\n`);
    };
    run('1', 'node');
    mkdirSync(join(proc, '7'));
    expect(await health(check('provider'), [], { PROC: proc })).toEqual({
      code: 1,
      reason: 'the leaf does not run\n',
    });
    run('12', 'nats-server');
    expect(await health(check('provider'), [], { PROC: proc })).toMatchObject({ code: 0 });
  });
});
