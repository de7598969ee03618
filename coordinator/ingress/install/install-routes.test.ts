import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createServer } from '#http-api/server.ts';
import { addInstallRoutes, type InstallDeps, readOfferedPackages } from './install-routes.ts';
import { installScript } from './install-script.ts';

const run = promisify(execFile);
const facts = { url: 'https://api.example.org', version: '0.1.0', sha256: 'ab'.repeat(32) };

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dinf-install-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function offer(content = 'a package', version = '0.1.0') {
  const file = join(folder, `d-inference-${version}.tgz`);
  await writeFile(file, content);
  return file;
}
/** Reads the packages of an operator who has set these files. */
const offers = (installPackage?: string, installPackageBeta?: string) =>
  readOfferedPackages({ installPackage, installPackageBeta });

function serverWith(deps: Partial<InstallDeps>) {
  const server = createServer({
    log: pino({ level: 'silent' }),
    trustedProxies: [],
    headersTimeoutMs: 1_000,
    requestTimeoutMs: 1_000,
  });
  addInstallRoutes(server, {
    offered: undefined,
    offeredBeta: undefined,
    publicUrl: undefined,
    ...deps,
  });
  return server;
}

describe('the installer', () => {
  test('is pinned to the address of the network and the digest of the package', async () => {
    const { offered } = await offers(await offer());
    const server = serverWith({ offered, publicUrl: 'https://api.example.org/' });
    const reply = await server.inject({ url: '/install.sh', headers: { host: 'evil.example' } });
    expect(reply.statusCode).toBe(200);
    expect(reply.body).toContain("url='https://api.example.org'\n");
    expect(reply.body).toContain(`sha256='${offered?.sha256}'\n`);
    expect(reply.body).not.toContain('evil');
    const file = await server.inject({ url: '/install/d-inference-0.1.0.tgz' });
    expect(file.body).toBe('a package');
    expect((await server.inject({ url: '/install/d-inference-9.9.9.tgz' })).statusCode).toBe(404);
    expect((await server.inject({ url: '/install/offer.json' })).json()).toEqual({
      version: '0.1.0',
      sha256: offered?.sha256,
      bytes: 'a package'.length,
    });
    const page = (await server.inject({ url: '/install' })).body;
    expect(page).toContain(createHash('sha256').update(reply.body).digest('hex'));
    expect(page).toContain(offered?.sha256);
  });

  test('offers a beta package only to machines that ask for it, and installs the stable one', async () => {
    const [stable, beta] = [await offer(), await offer('a beta', '0.2.0-beta.1')];
    const publicUrl = 'https://api.example.org';
    const server = serverWith({ ...(await offers(stable, beta)), publicUrl });
    const version = async (url: string) => (await server.inject({ url })).json().version;
    expect(await version('/install/offer.json')).toBe('0.1.0');
    expect(await version('/install/offer.json?channel=stable')).toBe('0.1.0');
    expect(await version('/install/offer.json?channel=beta')).toBe('0.2.0-beta.1');
    expect((await server.inject({ url: '/install/d-inference-0.2.0-beta.1.tgz' })).body).toBe(
      'a beta',
    );
    expect((await server.inject({ url: '/install/d-inference-0.1.0.tgz' })).body).toBe('a package');
    expect((await server.inject({ url: '/install.sh' })).body).toContain('d-inference-0.1.0.tgz');
    const without = serverWith(await offers(stable));
    expect(
      (await without.inject({ url: '/install/offer.json?channel=beta' })).json(),
    ).toMatchObject({
      version: '0.1.0',
    });
  });

  test('does not exist without a package', async () => {
    const server = serverWith({});
    for (const url of [
      '/install',
      '/install.sh',
      '/install/offer.json',
      '/install/d-inference-0.1.0.tgz',
    ])
      expect((await server.inject({ url })).json()).toMatchObject({
        error: { code: 'not_configured' },
      });
  });

  test('names a package that cannot be offered at the start', async () => {
    await expect(offers(join(folder, 'other.tgz'))).rejects.toThrow('such as');
    await expect(offers(join(folder, 'd-inference-1.0.0.tgz'))).rejects.toThrow('cannot be read');
    const file = await offer();
    await expect(offers(undefined, file)).rejects.toThrow(/^DINF_INSTALL_PACKAGE_BETA needs/);
    await expect(offers(file, file)).rejects.toThrow(/both have version 0\.1\.0/);
  });
});

describe('the script', () => {
  /** Runs the script in an empty home folder, with only these programs beside those of the system. */
  async function install(script: string, programs: Readonly<Record<string, string>>) {
    const [home, bin] = [join(folder, 'home'), join(folder, 'bin')];
    await mkdir(home);
    await mkdir(bin);
    for (const [name, text] of Object.entries(programs))
      await writeFile(join(bin, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    const file = join(folder, 'install.sh');
    await writeFile(file, script);
    const env = { HOME: home, PATH: `${bin}:/usr/bin:/bin`, TMPDIR: folder };
    const result = await run('/bin/sh', [file], { env }).then(
      ({ stdout }) => stdout,
      ({ stderr }: { stderr: string }) => stderr,
    );
    return { result, files: await readdir(home) };
  }
  const node = `exec '${process.execPath}' "$@"`;

  test.each([
    ['an old Node', { node: 'exit 1' }, /^install\.sh: Node .* is too old\. Get Node 24 from/],
    [
      'a download that fails',
      { node, npm: '', curl: 'exit 22' },
      /^install\.sh: d-inference-0\.1\.0\.tgz could not be downloaded\.\n$/,
    ],
    [
      'other bytes than the operator offered',
      {
        node,
        npm: 'echo installed > "$HOME/npm-was-called"',
        curl: 'echo x > "$6"',
      },
      /^install\.sh: The digest of d-inference-0\.1\.0\.tgz is not (ab){32}, so nothing was installed/,
    ],
  ])('installs nothing with %s, and names it', async (_, programs, message) => {
    const { result, files } = await install(installScript(facts), programs);
    expect(result).toMatch(message);
    expect(files).toEqual([]);
  });

  test('that was cut off does nothing', async () => {
    const script = installScript(facts);
    const { files } = await install(script.slice(0, script.lastIndexOf('main')), {
      node: 'touch "$HOME/called"',
      curl: 'touch "$HOME/called"',
    });
    expect(files).toEqual([]);
  });

  test('quotes an address that contains a command', async () => {
    const script = installScript({ ...facts, url: "https://x/'$(touch $HOME/called)'" });
    expect((await install(script, { node: 'exit 1' })).files).toEqual([]);
  });

  test('has no finding of shellcheck', async ({ skip }) => {
    const version = spawnSync('shellcheck', ['--version']);
    skip(version.error !== undefined, 'the Debian package shellcheck is not installed');
    await writeFile(join(folder, 'install.sh'), installScript(facts));
    await run('shellcheck', [join(folder, 'install.sh')]);
  });
});
