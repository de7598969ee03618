import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hubConfig } from '#coordinator';
import { foundNetwork } from '#coordinator/founding/found-network.ts';
import { hubsOfRelease } from '#coordinator/founding/helm-values.ts';
import { DEFAULT_HUB_PORTS } from '#coordinator/founding/hub-ports.ts';
import { planWith } from '#coordinator/founding/network-plan.ts';
import { openOperatorHome } from '#coordinator/founding/operator-home.ts';
import { startSupervised } from '#provider';
import { startNatsHub, startPostgres } from '#testcontainers';
import { DINF } from '../dinf-program.ts';
import { GROUP_SECRETS, RELEASE } from './chart-under-test.ts';
import { packagingFile } from './files.ts';
import { parseYaml } from './yaml.ts';

/** Each group of components of the chart, and of compose, in a process with only its own files. */

const { coordinators } = parseYaml<{
  coordinators: Readonly<Record<string, { readonly components: readonly string[] }>>;
}>(packagingFile('helm/d-inference/values.yaml'));

type Files = Readonly<Record<string, string>>;

const stack = new AsyncDisposableStack();
let folder = '';
let secrets: Readonly<Record<string, Files>> = {};
let natsUrl = '';
let databaseUrl = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dinf-groups-'));
  stack.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  const home = join(folder, 'founded');
  const keysFolder = join(home, 'keys');
  await foundNetwork({
    home,
    keysFolder,
    plan: planWith(undefined, {
      hubs: hubsOfRelease(RELEASE, 'hub.example.org'),
      ports: DEFAULT_HUB_PORTS,
    }),
    release: RELEASE,
    now: Date.now(),
  });
  const { items } = JSON.parse(await readFile(join(home, 'helm/secrets.yaml'), 'utf8')) as {
    items: { metadata: { name: string }; stringData: Files }[];
  };
  secrets = Object.fromEntries(items.map((item) => [item.metadata.name, item.stringData]));
  const operator = await openOperatorHome(keysFolder);
  const hub = stack.use(await startNatsHub({ config: (place) => hubConfig(place, { operator }) }));
  natsUrl = hub.clientUrl;
  databaseUrl = stack.use(await startPostgres()).url;
  await promisify(execFile)(process.execPath, [DINF, 'migrate'], {
    env: await environment('migration', ['core']),
  });
}, 120_000);
afterAll(() => stack.disposeAsync(), 60_000);

/** Writes a home with the files of these secrets, and returns the settings of a process in it. */
async function environment(name: string, wanted: readonly string[]): Promise<NodeJS.ProcessEnv> {
  const home = join(folder, name);
  for (const secret of wanted)
    for (const [file, text] of Object.entries(secrets[`${RELEASE}-${secret}`] ?? {})) {
      const path = join(home, 'keys', secret === 'receipts' ? 'receipts' : '', file);
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await writeFile(path, text, { mode: 0o400 });
    }
  return {
    PATH: process.env['PATH'],
    DINF_HOME: home,
    DINF_NATS_URL: natsUrl,
    DINF_METRICS_PORT: '0',
    DINF_HTTP_PORT: '0',
    ...(name !== 'ingress' && { DATABASE_URL: databaseUrl }),
  };
}

const filesIn = (home: string) => readdir(join(home, 'keys'), { recursive: true });

/** Returns the URL that a line of the log names. */
const urlIn = (lines: readonly string[], message: string): string => {
  const line = lines.find((each) => each.includes(message)) ?? '{}';
  return String((JSON.parse(line) as { url?: string }).url);
};

test('every group starts, makes no key of its own, and answers its probes', async () => {
  expect(Object.keys(coordinators).toSorted()).toEqual(Object.keys(GROUP_SECRETS).toSorted());
  for (const [name, wanted] of Object.entries(GROUP_SECRETS)) {
    const env = await environment(name, wanted);
    const home = join(folder, name);
    const before = await filesIn(home);
    const group = stack.use(
      await startSupervised({
        name,
        command: process.execPath,
        args: [DINF, 'coordinator', '--components', coordinators[name]?.components.join() ?? ''],
        env,
        isReady: (line) => line.includes('the coordinator runs'),
        readyTimeoutMs: 60_000,
      }),
    );
    expect(await filesIn(home), name).toEqual(before);
    const figures = await fetch(urlIn(group.logs(), 'the figures for Prometheus are offered'));
    expect(figures.status, name).toBe(200);
    if (name !== 'ingress') continue;
    const api = urlIn(group.logs(), 'the API listens');
    await expect
      .poll(async () => (await fetch(`${api}/readyz`)).json(), { timeout: 30_000 })
      .toMatchObject({ ready: true });
  }
}, 180_000);
