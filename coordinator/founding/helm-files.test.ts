import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { newEd25519Key } from '#bus-schemas';
import { foundNetwork } from './found-network.ts';
import { hubsOfRelease } from './helm-values.ts';
import { DEFAULT_HUB_PORTS } from './hub-ports.ts';
import { planSettings, planWith, readPlan } from './network-plan.ts';

let home = '';
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'dinf-helm-'));
});
afterEach(() => rm(home, { recursive: true }));

const keysFolder = () => join(home, 'keys');
const found = (release = 'dinf', publicName = 'hub.example.org') =>
  foundNetwork({
    home,
    keysFolder: keysFolder(),
    plan: planWith(readPlan(home), {
      hubs: hubsOfRelease('dinf', publicName),
      ports: DEFAULT_HUB_PORTS,
    }),
    release,
    now: Date.now(),
  });

interface Secret {
  readonly metadata: { readonly name: string };
  readonly stringData: Readonly<Record<string, string>>;
}
const read = (name: string) => readFile(join(home, 'helm', name), 'utf8');
const secrets = async (): Promise<Record<string, Secret['stringData']>> => {
  const { items } = JSON.parse(await read('secrets.yaml')) as { items: Secret[] };
  return Object.fromEntries(items.map(({ metadata, stringData }) => [metadata.name, stringData]));
};

describe('founding a network in Kubernetes', () => {
  test('gives each group of components its own secret', async () => {
    await found();
    const files = Object.entries(await secrets()).map(([name, content]) => [
      name,
      Object.keys(content).toSorted(),
    ]);
    expect(Object.fromEntries(files)).toEqual({
      'dinf-hub-tls': ['ca.crt', 'tls.crt', 'tls.key'],
      'dinf-core': ['core.creds', 'hub-ca.pem'],
      'dinf-trust': [
        'core.nk',
        'log.pem',
        'operator-signing.nk',
        'operator.jwt',
        'ops.nk',
        'provider-accounts.secret',
        'sys.creds',
        'system.nk',
      ],
      'dinf-receipts': ['0001.pem'],
    });
  });

  test('puts neither the identity of the operator nor the key of the authority into a file for Kubernetes', async () => {
    await found();
    const written = `${await read('secrets.yaml')}${await read('values.yaml')}${await read('nats-values.yaml')}`;
    for (const name of ['operator.nk', 'hub-ca.key']) {
      const key = await readFile(join(keysFolder(), name), 'utf8');
      expect(written).not.toContain(JSON.stringify(key).slice(1, -1));
    }
  });

  test('keeps private keys out of the values', async () => {
    await found();
    const values = `${await read('values.yaml')}${await read('nats-values.yaml')}`;
    for (const content of Object.values(await secrets()))
      for (const [name, text] of Object.entries(content))
        if (name !== 'operator.jwt')
          expect(values, name).not.toContain(JSON.stringify(text).slice(1, -1));
  });

  test('makes one certificate with the names of the load balancer and of every pod', async () => {
    await found();
    const { 'tls.crt': certificate = '' } = (await secrets())['dinf-hub-tls'] ?? {};
    const { subjectAltName } = new X509Certificate(certificate);
    for (const name of ['hub.example.org', 'dinf-hub', 'dinf-hub-2.dinf-hub-headless'])
      expect(subjectAltName).toContain(`DNS:${name}`);
  });

  test('lets components use every pod, and machines the load balancer', async () => {
    await found();
    expect(planSettings(home)).toEqual({
      DINF_NATS_URL:
        'tls://dinf-hub-0.dinf-hub-headless:4222,tls://dinf-hub-1.dinf-hub-headless:4222,tls://dinf-hub-2.dinf-hub-headless:4222',
      DINF_LEAF_URL: 'tls://hub.example.org:7422',
    });
  });

  test('changes nothing the second time, and writes the secrets again for a new receipt key', async () => {
    await found();
    expect((await found()).map(({ change }) => change)).not.toContain('made');
    await writeFile(join(keysFolder(), 'receipts/0002.pem'), newEd25519Key());
    const changes = await found();
    expect(changes).toContainEqual({ path: join(home, 'helm/secrets.yaml'), change: 'made' });
    const receipts = Object.keys((await secrets())['dinf-receipts'] ?? {});
    expect(receipts.toSorted()).toEqual(['0001.pem', '0002.pem']);
    // The chart mounts the files by their names, so the operator has to take over the new values.
    expect(changes).toContainEqual({ path: join(home, 'helm/values.yaml'), change: 'differs' });
  });

  test.each([
    ['another release', 'other', 'hub.example.org'],
    ['a second public name', 'dinf', 'hubs.example.org'],
  ])('refuses %s', async (_, release, publicName) => {
    await found();
    await expect(found(release, publicName)).rejects.toThrow(
      `not the pods of the Helm release ${release} under one name`,
    );
    expect(readPlan(home)?.hubs).toHaveLength(3);
  });
});
