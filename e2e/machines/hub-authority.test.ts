import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, test, vi } from 'vitest';
import { mintCredentials, Nkey } from '#bus-schemas';
import { prepareAuthority, prepareHubCertificate } from '#coordinator/founding/hub-certificates.ts';
import { rotateHubAuthority } from '#coordinator/founding/rotate-hub-authority.ts';
import { cacheFolder, findNatsServer, type NatsServer, startNatsServer } from '#provider';
import { HubUpdates } from '#provider/hub-updates.ts';
import { startLeaf } from '#provider/leaf/leaf.ts';

const NOW = Date.now();
const SOON = { timeout: 20_000, interval: 100 };
const log = pino({ level: 'silent' });

/** Number of leaves that are connected to the hub; a connection without TLS is not counted. */
async function leavesOf(hub: NatsServer): Promise<number> {
  const response = await fetch(`${hub.monitorUrl}/leafz`);
  return ((await response.json()) as { leafnodes: number }).leafnodes;
}

test('a running machine follows the rotation of the authority of the hubs; one that missed it is refused', async () => {
  await using stack = new AsyncDisposableStack();
  const home = await mkdtemp(join(tmpdir(), 'dinf-hub-authority-'));
  stack.defer(() => rm(home, { recursive: true, force: true, maxRetries: 3 }));
  const keys = join(home, 'keys');
  await mkdir(keys);
  const issue = async () =>
    prepareHubCertificate({
      authority: await prepareAuthority(keys, NOW),
      folder: join(home, 'tls'),
      names: ['127.0.0.1'],
      now: NOW,
    });
  const { certificateFile, keyFile } = await issue();
  const { path: binary } = await findNatsServer({ cacheDir: cacheFolder(process.env) });
  const hub = stack.use(
    await startNatsServer({
      binary,
      home: join(home, 'hub'),
      config: ({ host, ports }) => `
host: ${host}
port: ${ports.client}
http: ${JSON.stringify(`${host}:${ports.monitor}`)}
leafnodes {
  host: ${host}, port: ${ports.leaf}
  tls { cert_file: ${JSON.stringify(certificateFile)}, key_file: ${JSON.stringify(keyFile)}, timeout: 5 }
}`,
    }),
  );
  const leafUrls = [hub.leafUrl.replace('nats-leaf:', 'tls:')];
  const accepted = () => readFile(join(keys, 'hub-ca.pem'), 'utf8');
  const coordinator = createServer((_request, response) => {
    void accepted().then((hub_ca) =>
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ leaf_urls: leafUrls, hub_ca })),
    );
  });
  await new Promise<void>((done) => coordinator.listen(0, '127.0.0.1', done));
  stack.defer(() => void coordinator.close());
  const coordinatorUrl = `http://127.0.0.1:${(coordinator.address() as AddressInfo).port}`;
  const credentialsFile = join(home, 'leaf.creds');
  await writeFile(credentialsFile, await mintCredentials('leaf', Nkey.create('account'), 'all'));
  const machine = async (name: string) => {
    const own = join(home, name);
    await mkdir(own);
    const hubCaFile = join(own, 'hub-ca.pem');
    await writeFile(hubCaFile, await accepted());
    const enrolment = {
      provider: name,
      enrolledBy: 'operator' as const,
      coordinatorUrl,
      leafUrls,
      credentialsFile,
      hubCaFile,
    };
    const leaf = stack.use(
      await startLeaf({ binary, home: join(own, 'leaf'), enrolments: [enrolment], log }),
    );
    let now = 0;
    const updates = stack.use(
      new HubUpdates({
        home: own,
        enrolment,
        coordinatorUrl,
        leaf,
        isIdle: () => true,
        log,
        clock: () => now,
      }),
    );
    const askAgain = () => {
      now += 10 * 60_000;
      return updates.tick();
    };
    return { server: leaf.server, askAgain };
  };
  const follower = await machine('follower');
  const sleeper = await machine('sleeper');
  await vi.waitFor(async () => expect(await leavesOf(hub)).toBe(2), SOON);
  /** The hub gets a certificate of the present authority, and all leaves connect again. */
  const restartHub = async () => {
    await issue();
    await hub.restart();
  };
  const follow = async () => {
    const reloads = () =>
      follower.server.logs().filter((line) => line.includes('Reloaded server configuration'));
    const before = reloads().length;
    await follower.askAgain();
    await vi.waitFor(() => expect(reloads().length).toBeGreaterThan(before), SOON);
  };

  await rotateHubAuthority(keys, 'begin', NOW);
  await follow();
  await rotateHubAuthority(keys, 'switch', NOW);
  await restartHub();
  await vi.waitFor(async () => expect(await leavesOf(hub)).toBe(1), SOON);
  await sleeper.server.whenLine((line) => line.includes('unknown authority'), SOON.timeout);

  await rotateHubAuthority(keys, 'finish', NOW);
  await follow();
  await restartHub();
  await vi.waitFor(async () => expect(await leavesOf(hub)).toBe(1), SOON);
}, 90_000);
