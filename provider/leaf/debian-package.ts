import { execFile } from 'node:child_process';
import { access, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { LaunchError } from '../launch-error.ts';

const run = promisify(execFile);
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const APT_TIMEOUT_MS = 180_000;

interface DebianOrder {
  /** A new, empty folder for this call; the caller deletes it. */
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  readonly packages: readonly string[];
  /**
   * Suites to take the packages from; apt prefers the last one. `{codename}` stands for the release
   * of this machine, for example `trixie`.
   */
  readonly suites: readonly string[];
  /** True to unpack the dependencies that this machine lacks, too. */
  readonly withDependencies?: boolean;
}

/**
 * Unpacks Debian packages into `folder`/unpacked and returns that path. It uses the mirror that apt
 * is configured for, needs no root and installs nothing. apt checks the signatures, so a hostile
 * mirror cannot supply another program.
 */
export async function unpackDebian({
  folder,
  env,
  packages,
  suites,
  withDependencies = false,
}: DebianOrder): Promise<string> {
  const { mirror, codename } = await debianMirror(env);
  const at = (name: string): string => join(folder, name);
  const names = suites.map((suite) => suite.replace('{codename}', codename));
  await mkdir(at('lists/partial'), { recursive: true });
  await mkdir(at('archives/partial'), { recursive: true });
  await writeFile(
    at('own.sources'),
    `Types: deb\nURIs: ${mirror}\nSuites: ${names.join(' ')}\nComponents: main\nSigned-By: ${KEYRING}\n`,
  );
  const settings = {
    'Dir::Etc::sourcelist': at('own.sources'),
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::State::Lists': at('lists'),
    'Dir::Cache': folder,
    'APT::Sandbox::User': userInfo().username,
    'APT::Default-Release': names.at(-1) ?? '',
    'Acquire::Languages': 'none',
    'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled': 'false',
    'Acquire::Retries': '1',
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  const apt = (...args: string[]) =>
    run('apt-get', [...options, ...args], {
      cwd: folder,
      timeout: APT_TIMEOUT_MS,
      env: { ...env, LC_ALL: 'C' },
    });

  await apt('update', '-qq');
  const needed = withDependencies ? await missing(packages, apt) : packages;
  await apt('download', '-qq', ...needed);
  await rm(at('lists'), { recursive: true, force: true });
  const files = (await readdir(folder)).filter((name) => name.endsWith('.deb'));
  if (files.length < needed.length)
    throw new LaunchError(
      'fetch_failed',
      `apt-get downloaded ${files.length} of ${needed.length} packages`,
    );
  for (const file of files) await run('dpkg', ['-x', at(file), at('unpacked')], { env });
  return at('unpacked');
}

/** The names of the packages that apt would install, read from the file names in its output. */
async function missing(
  packages: readonly string[],
  apt: (...args: string[]) => Promise<{ stdout: string }>,
): Promise<string[]> {
  const { stdout } = await apt(
    'install',
    '--print-uris',
    '-qq',
    '--no-install-recommends',
    '--reinstall',
    ...packages,
  );
  return [...stdout.matchAll(/^'\S+' ([^_\s]+)_/gm)].map(([, name]) => name as string);
}

/**
 * The first Debian mirror in apt's configuration. apt adds the proxy and the credentials of that
 * mirror by itself.
 */
async function debianMirror(env: NodeJS.ProcessEnv): Promise<{ mirror: string; codename: string }> {
  await access(KEYRING);
  const release = await readFile('/etc/os-release', 'utf8');
  const codename = /^VERSION_CODENAME=(.*)$/m.exec(release)?.[1];
  const { stdout } = await run('apt-get', ['--print-uris', 'update'], {
    env: { ...env, LC_ALL: 'C' },
  });
  for (const [, mirror, suite = ''] of stdout.matchAll(
    /^'(\S+?)\/dists\/([^/']+)\/(?:In)?Release'/gm,
  )) {
    if (mirror !== undefined && (suite === codename || suite === 'sid' || suite === 'unstable'))
      return { mirror, codename: codename ?? suite };
  }
  throw new LaunchError(
    'fetch_failed',
    `apt's sources name no mirror for Debian ${codename ?? '(unknown release)'}`,
  );
}
