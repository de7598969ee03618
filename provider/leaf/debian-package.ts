import { execFile } from 'node:child_process';
import { access, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { LaunchError } from '../launch-error.ts';

const run = promisify(execFile);
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const APT_TIMEOUT_MS = 180_000;

/**
 * Unpacks the package of Debian's newest suite into `folder`, from the mirror that apt uses already, without root
 * and without telling the system. apt checks the signatures.
 */
export async function unpackDebianPackage(folder: string, env: NodeJS.ProcessEnv): Promise<string> {
  const mirror = await debianMirror(env);
  const at = (name: string): string => join(folder, name);
  await mkdir(at('lists/partial'), { recursive: true });
  await mkdir(at('archives/partial'), { recursive: true });
  await writeFile(at('sid.sources'), `Types: deb\nURIs: ${mirror}\nSuites: sid\nComponents: main\nSigned-By: ${KEYRING}\n`);
  const settings = {
    'Dir::Etc::sourcelist': at('sid.sources'),
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::State::Lists': at('lists'),
    'Dir::Cache': folder,
    'APT::Sandbox::User': userInfo().username,
    'Acquire::Languages': 'none',
    'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled': 'false',
    'Acquire::Retries': '1',
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  const apt = (...args: string[]) => run('apt-get', [...options, ...args], { cwd: folder, timeout: APT_TIMEOUT_MS, env: { ...env, LC_ALL: 'C' } });

  await apt('update', '-qq');
  await apt('download', '-qq', 'nats-server');
  await rm(at('lists'), { recursive: true, force: true });
  const file = (await readdir(folder)).find((name) => name.endsWith('.deb'));
  if (file === undefined) throw new LaunchError('fetch_failed', 'apt-get left no nats-server package');
  await run('dpkg', ['-x', at(file), at('unpacked')], { env });
  return at('unpacked/usr/sbin/nats-server');
}

/** Read from apt's own configuration: it knows the mirror, the proxy and the credentials; we need not. */
async function debianMirror(env: NodeJS.ProcessEnv): Promise<string> {
  await access(KEYRING);
  const release = await readFile('/etc/os-release', 'utf8');
  const codename = /^VERSION_CODENAME=(.*)$/m.exec(release)?.[1];
  const { stdout } = await run('apt-get', ['--print-uris', 'update'], { env: { ...env, LC_ALL: 'C' } });
  for (const [, mirror, suite] of stdout.matchAll(/^'(\S+?)\/dists\/([^/']+)\/(?:In)?Release'/gm)) {
    if (mirror !== undefined && (suite === codename || suite === 'sid' || suite === 'unstable')) return mirror;
  }
  throw new LaunchError('fetch_failed', `no mirror for Debian ${codename ?? '(unknown)'} in apt's sources`);
}
