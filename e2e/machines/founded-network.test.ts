import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { issueCertificate, pemOf, subjectNames } from '#coordinator/founding/issue-certificate.ts';
import { type SupervisedProcess, startSupervised } from '#provider';
import { tinyModel } from '#tiny-model';
import { DINF } from '../dinf-program.ts';
import { type SwitchedMachines, startMachines, whyNoNamespaces } from './switched-machines.ts';

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, '../..');
const DAY_MS = 86_400_000;
const PORT = 8443;
const WAIT = { timeout: 60_000, interval: 500 };
const TINY_BUILD = tinyModel.builds[0] ?? '';
/** The machines: coordinator and first hub, second coordinator and two hubs, provider, customer. */
const [FIRST, SECOND, PROVIDER, CUSTOMER] = [1, 2, 3, 4] as const;
const skipped = whyNoNamespaces();

/** A certificate for the addresses of both coordinators, as an operator gets it from an authority. */
async function writeCertificate(folder: string, addresses: readonly string[]): Promise<void> {
  const validity = {
    from: new Date(Date.now() - DAY_MS),
    until: new Date(Date.now() + 9 * DAY_MS),
  };
  const common = { ...validity, keys: 'P-256', hash: 'sha256' } as const;
  const authority = issueCertificate({ ...common, name: 'a public authority', authority: {} });
  const { der, key } = issueCertificate({
    ...common,
    name: 'api',
    issuer: authority,
    extensions: [subjectNames(addresses)],
  });
  await writeFile(join(folder, 'authority.pem'), pemOf(authority.der));
  await writeFile(join(folder, 'api.pem'), pemOf(der));
  await writeFile(join(folder, 'api.key'), key.export({ type: 'pkcs8', format: 'pem' }));
}

describe.skipIf(skipped !== undefined)(
  `a network of four machines over TLS${skipped === undefined ? '' : ` (skipped: ${skipped})`}`,
  () => {
    const stack = new AsyncDisposableStack();
    let machines: SwitchedMachines;
    let folder = '';
    let apiKey = '';
    const home = (machine: number) => join(folder, `machine-${machine}`);
    const url = (machine: number) => `https://${machines.address(machine)}:${PORT}`;

    /** Settings of everything that runs on a machine. */
    const settings = (machine: number): NodeJS.ProcessEnv => ({
      ...process.env,
      DINF_HOME: home(machine),
      DINF_LOG: 'warn',
      DINF_DRAIN_NOTICE_MS: '0',
      DINF_DEMAND_BUS_SIGNATURE: '1',
      NODE_EXTRA_CA_CERTS: join(folder, 'authority.pem'),
    });
    const dinf = async (machine: number, args: readonly string[], env: NodeJS.ProcessEnv = {}) => {
      const [command = '', ...words] = [...machines.on(machine), process.execPath, DINF, ...args];
      return run(command, words, { env: { ...settings(machine), ...env } });
    };
    const start = async (
      machine: number,
      name: string,
      {
        args,
        env = {},
        isReady,
      }: { args: readonly string[]; env?: NodeJS.ProcessEnv; isReady: (line: string) => boolean },
    ): Promise<SupervisedProcess> =>
      stack.use(
        await startSupervised({
          name,
          launcher: machines.on(machine),
          command: process.execPath,
          args: [DINF, ...args],
          env: { ...settings(machine), ...env },
          isReady,
          readyTimeoutMs: 120_000,
        }),
      );

    /** Runs a program of a customer on machine 4. */
    const customer = async (script: string): Promise<string> => {
      const [command = '', ...words] = [
        ...machines.on(CUSTOMER),
        process.execPath,
        '--input-type=module',
        '-e',
        script,
      ];
      return (await run(command, words, { env: settings(CUSTOMER), cwd: ROOT })).stdout;
    };
    const ask = (machine: number) =>
      customer(`
        import OpenAI from 'openai';
        const client = new OpenAI({ baseURL: '${url(machine)}/v1', apiKey: '${apiKey}' });
        const stream = await client.chat.completions.create({
          model: 'tiny', stream: true, temperature: 0,
          messages: [{ role: 'user', content: 'What is 12 + 30?' }],
        });
        for await (const { choices } of stream) process.stdout.write(choices[0]?.delta?.content ?? '');
      `);

    beforeAll(async () => {
      machines = stack.use(startMachines(4));
      folder = await mkdtemp(join(tmpdir(), 'dinf-machines-'));
      stack.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
      for (const machine of [FIRST, SECOND, PROVIDER, CUSTOMER])
        await mkdir(home(machine), { mode: 0o700 });
      await writeCertificate(folder, [machines.address(FIRST), machines.address(SECOND)]);
    }, 60_000);
    afterAll(() => stack.disposeAsync(), 60_000);

    test('is founded, and its hubs form a cluster', { timeout: 180_000 }, async () => {
      const [first, second] = [machines.address(FIRST), machines.address(SECOND)];
      await dinf(FIRST, ['network', 'init', '--hub', first, '--hub', second]);
      const otherPorts = ['--client-port', '4223', '--leaf-port', '7423', '--cluster-port', '6223'];
      await rm(join(home(FIRST), 'hubs'), { recursive: true });
      await dinf(FIRST, ['network', 'init', '--hub', second, ...otherPorts]);
      for (const hub of ['hub-2', 'hub-3'])
        await cp(join(home(FIRST), 'hubs', hub), join(home(SECOND), hub), { recursive: true });
      const isReady = (line: string) => line.endsWith('Server is ready');
      await Promise.all([
        start(FIRST, 'hub-1', { args: ['network', 'hub', 'hub-1'], isReady }),
        ...['hub-2', 'hub-3'].map((hub) =>
          start(SECOND, hub, { args: ['network', 'hub', join(home(SECOND), hub)], isReady }),
        ),
      ]);
    });

    test('runs a coordinator on two machines', { timeout: 180_000 }, async () => {
      const postgres = stack.use(
        await startSupervised({
          name: 'Postgres',
          launcher: machines.on(FIRST),
          command: process.execPath,
          args: [
            '--input-type=module',
            '-e',
            `import { startLocalPostgres } from '${join(ROOT, 'network/mod.ts')}';
             const postgres = await startLocalPostgres({ dataDir: '${join(folder, 'postgres')}' });
             console.log('url ' + await postgres.createDatabase('dinf'));
             process.on('SIGTERM', async () => { await postgres.stop(); process.exit(); });`,
          ],
          isReady: (line) => line.startsWith('url '),
          readyTimeoutMs: 60_000,
        }),
      );
      const DATABASE_URL = postgres.logs().at(-1)?.slice('url '.length) ?? '';
      await dinf(FIRST, ['migrate'], { DATABASE_URL });
      // The second machine gets what its component needs, and no key that signs accounts.
      await mkdir(join(home(SECOND), 'keys'), { mode: 0o700 });
      for (const file of ['network-plan.json', 'keys/core.creds', 'keys/hub-ca.pem'])
        await cp(join(home(FIRST), file), join(home(SECOND), file));
      const tls = {
        DINF_TLS_CERT: join(folder, 'api.pem'),
        DINF_TLS_KEY: join(folder, 'api.key'),
        DINF_HTTPS_PORT: String(PORT),
        DINF_LOG: 'info',
      };
      const isReady = (line: string) => line.includes('the coordinator runs');
      const coordinator = (machine: number, args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
        start(machine, `coordinator ${machine}`, {
          args: ['coordinator', ...args],
          env: { ...tls, DINF_PUBLIC_URL: url(machine), ...env },
          isReady,
        });
      await coordinator(FIRST, [], { DATABASE_URL });
      await coordinator(SECOND, ['--components', 'ingress']);
      const { stdout: check } = await dinf(FIRST, ['network', 'check'], { ...tls, DATABASE_URL });
      expect(check).not.toMatch(/failed/);
      for (const part of ['hub-1', 'hub-2', 'hub-3', 'database', 'exports', 'API'])
        expect(check).toContain(part);
    });

    test('links a machine, and a customer gets its answers', { timeout: 180_000 }, async () => {
      const { stdout, stderr } = await dinf(FIRST, ['keys', 'create', '--credit', '5']);
      apiKey = stdout.trim();
      const account = /account (\S+),/.exec(stderr)?.[1] ?? '';
      const provider = await start(PROVIDER, 'provider', {
        args: ['provider', '--link', '--coordinator', url(FIRST)],
        isReady: (line) => line.startsWith('and enter '),
      });
      const code = /and enter (\S+)/.exec(provider.logs().join('\n'))?.[1] ?? '';
      await dinf(FIRST, ['approve', code, '--account', account]);
      await provider.whenLine((line) => / serves /.test(line), 60_000);
      await vi.waitFor(() => dinf(FIRST, ['models', 'add', 'tiny', '--build', TINY_BUILD]), WAIT);
      for (const machine of [FIRST, SECOND])
        await vi.waitFor(async () => expect(await ask(machine)).toBe('42'), WAIT);
      expect((await dinf(FIRST, ['ledger', 'verify'])).stdout).toContain('the books balance');
    });

    test('gives the machine addresses with TLS, and the authority that it pins', async () => {
      const machine = join(home(PROVIDER), 'provider');
      const { leafUrls } = JSON.parse(await readFile(join(machine, 'enrolment.json'), 'utf8'));
      const [first, second] = [machines.address(FIRST), machines.address(SECOND)];
      expect(leafUrls).toEqual([
        `tls://${first}:7422`,
        `tls://${second}:7422`,
        `tls://${second}:7423`,
      ]);
      const pinned = await readFile(join(machine, 'hub-ca.pem'), 'utf8');
      expect(pinned).toBe(await readFile(join(home(FIRST), 'keys', 'hub-ca.pem'), 'utf8'));
    });

    test('shows no listener to other machines but the API and the hubs', async () => {
      const open = async (port: number) =>
        customer(`
          import { connect } from 'node:net';
          const socket = connect({ host: '${machines.address(FIRST)}', port: ${port}, timeout: 2_000 });
          socket.on('connect', () => { console.log('open'); process.exit(); });
          socket.on('error', () => { console.log('closed'); process.exit(); });
        `);
      expect((await open(PORT)).trim()).toBe('open');
      expect((await open(7422)).trim()).toBe('open');
      // The API without TLS is for this machine only.
      expect((await open(8080)).trim()).toBe('closed');
    });
  },
);
