import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { setting } from '#bus-schemas/settings/settings.ts';

import { LaunchError } from '../launch-error.ts';

const run = promisify(execFile);
/** The version that is downloaded, and that the container images have. */
export const NATS_RELEASE = '2.14.5';
const RELEASES = 'https://github.com/nats-io/nats-server/releases/download';
const MAX_BYTES = 64 * 1024 * 1024;
const DOWNLOAD_TIMEOUT_MS = 120_000;

/**
 * SHA-256 of the archives of RELEASE. docs/decisions/0011 lists the sources that they were compared
 * with.
 */
const DIGESTS: Readonly<Record<string, string>> = {
  'linux-amd64': '5e3b603d47c447bda1f77f9ac16dbf91c90aac4ff3681f8fbbc7201e4ed99355',
  'linux-arm64': '673a98d3faa79dde3f9ebf16d6dfac36a5f694e7ad2015e4954dd7939c85cd4c',
  'darwin-amd64': 'f95c98d6b6ed2b63c5681b46b092c9585c99767d547cf495730c329234625e96',
  'darwin-arm64': 'ddd907854d9a2de834af133fa396915fe6442fe6d8909ae31390d1ea7a0fea50',
};

/**
 * Downloads and unpacks the server from the project's releases. `DINF_NATS_RELEASES` names a mirror
 * with the same layout; its archive must have the same digest.
 */
export async function unpackReleaseArchive(
  folder: string,
  env: NodeJS.ProcessEnv,
): Promise<string> {
  const target = `${process.platform}-${process.arch === 'x64' ? 'amd64' : process.arch}`;
  const sha256 = DIGESTS[target];
  if (sha256 === undefined)
    throw new LaunchError(
      'fetch_failed',
      `no release of nats-server with a known digest exists for ${target}`,
    );
  const name = `nats-server-v${NATS_RELEASE}-${target}`;
  const archive = await download(
    `${setting('DINF_NATS_RELEASES', env) ?? RELEASES}/v${NATS_RELEASE}/${name}.tar.gz`,
  );
  return await unpackVerified({ archive, sha256, name, folder, env });
}

async function download(url: string): Promise<Buffer> {
  const response = await fetch(url, { signal: AbortSignal.timeout(DOWNLOAD_TIMEOUT_MS) });
  if (!response.ok || response.body === null)
    throw new LaunchError('fetch_failed', `${url}: HTTP ${response.status}`);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body) {
    size += chunk.length;
    if (size > MAX_BYTES)
      throw new LaunchError('fetch_failed', `${url}: the archive exceeds ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

type Archive = {
  archive: Buffer;
  sha256: string;
  name: string;
  folder: string;
  env: NodeJS.ProcessEnv;
};

/**
 * Unpacks the archive after its digest was checked. An attacker who controls the mirror could
 * otherwise supply another program, or attack tar with a crafted archive.
 */
export async function unpackVerified({
  archive,
  sha256,
  name,
  folder,
  env,
}: Archive): Promise<string> {
  const found = createHash('sha256').update(archive).digest('hex');
  if (found !== sha256) {
    throw new LaunchError(
      'digest_mismatch',
      `${name} was not unpacked: its SHA-256 is ${found}, but must be ${sha256}`,
    );
  }
  const file = join(folder, 'release.tar.gz');
  await writeFile(file, archive);
  await run('tar', ['-xzf', file, '-C', folder, `${name}/nats-server`], { env });
  return join(folder, name, 'nats-server');
}
