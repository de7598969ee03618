import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { codeHash, hex, releaseEntry } from '#bus-schemas';
import { messageOf } from '#bus-schemas/message-of.ts';
import { versionFolder } from '#bus-schemas/program-folders.mjs';
import { buildNative } from '#native/build.ts';
import { downloadFile } from '../downloads/download-file.ts';
import { addVersion, codeOf, type Installation, programOf } from './installation.ts';
import { activeReleases, type OfferedVersion, packageUrl } from './offer.ts';
import { UpdateError } from './update-error.ts';

const run = promisify(execFile);
const LIST_BYTES = 16 * 1024 * 1024;
const START_MS = 120_000;

export interface StagingOptions {
  readonly installation: Installation;
  readonly coordinator: string;
  readonly offer: OfferedVersion;
  readonly signal: AbortSignal;
  /** Installs a package and its dependencies into a prefix, without running code of it. */
  readonly install: (prefix: string, packageFile: string) => Promise<void>;
  /** Whether the log of the network, whose key this machine knows, contains the entry. */
  readonly isLogged: (entry: Uint8Array) => Promise<boolean>;
  readonly print: (line: string) => void;
}

/**
 * Puts an offered version beside the others and returns its folder name. Before its digest was found
 * in the log of the network, nothing that it depends on is installed; and no code runs before what
 * was installed has such a digest too.
 *
 * The attack: somebody who answers in place of the coordinator, or the operator of one replica,
 * offers a package of their own. Its code has a digest that no active release in the log has.
 */
export async function stage(options: StagingOptions): Promise<string> {
  const { installation, offer, print } = options;
  const name = versionFolder(offer);
  await addVersion(installation, name, async (folder) => {
    const archive = await download(options);
    await checkArchive(archive);
    const unpacked = join(folder, 'unpacked');
    await mkdir(unpacked);
    await run('tar', ['-xzf', archive, '-C', unpacked]);
    // npm downloads whatever the package asks for, so the package is looked up before.
    await checkRelease(options, join(unpacked, 'package'));
    await rm(unpacked, { recursive: true });
    print(`Installing ${offer.version} beside the running version.`);
    await options.install(folder, archive);
    await rm(archive);
  });
  try {
    await checkRelease(options, codeOf(installation, name));
    await buildNative({ root: codeOf(installation, name), print });
    await checkStart(installation, name);
  } catch (error) {
    if (name !== installation.running)
      await rm(join(installation.versions, name), { recursive: true, force: true });
    throw error;
  }
  return name;
}

async function download({ installation, coordinator, offer, signal, print }: StagingOptions) {
  const folder = join(installation.versions, '.downloads');
  await mkdir(folder, { recursive: true });
  const path = join(folder, `${offer.sha256}.tgz`);
  print(`Downloading ${offer.version}, ${(offer.bytes / 1e6).toFixed(1)} MB.`);
  const file = {
    name: `d-inference-${offer.version}.tgz`,
    bytes: offer.bytes,
    digest: offer.sha256,
    url: packageUrl(coordinator, offer),
  };
  if ((await sha256Of(path)) !== offer.sha256)
    await downloadFile({ file, path, headers: {}, signal, onBytes: () => {} });
  return path;
}

async function sha256Of(path: string): Promise<string | undefined> {
  const hash = createHash('sha256');
  try {
    for await (const piece of createReadStream(path)) hash.update(piece as Buffer);
  } catch {
    return undefined;
  }
  return hash.digest('hex');
}

/**
 * The attack: a package with links, with paths outside its folder, or with `node_modules`. The
 * digest of the code does not cover the last, because npm installs the dependencies from their
 * locked digests.
 */
async function checkArchive(archive: string): Promise<void> {
  const list = async (flags: string) =>
    (await run('tar', [flags, archive], { maxBuffer: LIST_BYTES })).stdout.trimEnd().split('\n');
  const kinds = await list('-tvzf').catch((cause: unknown) => {
    throw unsafe(`tar cannot read it (${messageOf(cause)})`);
  });
  if (kinds.some((line) => !/^[-d]/.test(line))) throw unsafe('it contains links');
  for (const name of await list('-tzf'))
    if (!name.startsWith('package/') || /(^|\/)(\.\.|node_modules)(\/|$)/.test(name))
      throw unsafe(`it contains ${JSON.stringify(name)}`);
}

const unsafe = (why: string) =>
  new UpdateError('unsafe_archive', `The offered package was not installed: ${why}.`);

async function checkRelease(
  { coordinator, isLogged, offer }: StagingOptions,
  root: string,
): Promise<void> {
  const digest = codeHash(root);
  const release = (await activeReleases(coordinator)).find(
    ({ code_hash }) => code_hash === hex(digest),
  );
  const isKnown =
    release !== undefined &&
    (await isLogged(releaseEntry({ version: release.version, codeHash: digest, active: true })));
  if (!isKnown)
    throw new UpdateError(
      'unknown_release',
      `The network offers version ${offer.version}, whose code (${hex(digest)}) is no active release in its log, so it was deleted. Ask the operator of the network.`,
    );
}

async function checkStart(installation: Installation, name: string): Promise<void> {
  await run(programOf(installation, name), ['--version'], { timeout: START_MS }).catch(
    (cause: unknown) => {
      throw new UpdateError(
        'does_not_start',
        `The new version does not start, so it was deleted: ${messageOf(cause)}`,
        { cause },
      );
    },
  );
}
