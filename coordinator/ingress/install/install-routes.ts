import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { ConfigError } from '#bus-schemas/settings/settings.ts';
import { ApiError } from '#http-api/errors.ts';
import { installScript } from './install-script.ts';

/** The package that this network offers to owners of machines. */
interface OfferedPackage {
  readonly bytes: Buffer;
  readonly version: string;
  /** In hexadecimal digits. */
  readonly sha256: string;
}

const FILE_NAME = /^d-inference-(?<version>\d[\w.-]{0,40})\.tgz$/;

type PackageSetting = 'DINF_INSTALL_PACKAGE' | 'DINF_INSTALL_PACKAGE_BETA';

/** Reads the package into memory: some megabytes, read once, and always the bytes of the digest. */
async function readOfferedPackage(setting: PackageSetting, file: string): Promise<OfferedPackage> {
  const version = FILE_NAME.exec(basename(file))?.groups?.['version'];
  if (version === undefined)
    throw new ConfigError(
      `${setting} must name a file such as d-inference-0.1.0.tgz, as "npm run package" writes it, and is ${file}`,
    );
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw new ConfigError(`${setting} cannot be read: ${file}`, { cause });
  });
  return { bytes, version, sha256: sha256Of(bytes) };
}

/** The packages that the operator has set, one for each channel. */
export async function readOfferedPackages({
  installPackage,
  installPackageBeta,
}: {
  readonly installPackage: string | undefined;
  readonly installPackageBeta: string | undefined;
}): Promise<Pick<InstallDeps, 'offered' | 'offeredBeta'>> {
  const read = async (setting: PackageSetting, file: string | undefined) =>
    file === undefined ? undefined : readOfferedPackage(setting, file);
  const offered = await read('DINF_INSTALL_PACKAGE', installPackage);
  const offeredBeta = await read('DINF_INSTALL_PACKAGE_BETA', installPackageBeta);
  if (offeredBeta !== undefined && offered === undefined)
    throw new ConfigError('DINF_INSTALL_PACKAGE_BETA needs DINF_INSTALL_PACKAGE beside it');
  if (offeredBeta !== undefined && offeredBeta.version === offered?.version)
    throw new ConfigError(
      `DINF_INSTALL_PACKAGE and DINF_INSTALL_PACKAGE_BETA both have version ${offered.version}: the beta package needs a version of its own`,
    );
  return { offered, offeredBeta };
}

export interface InstallDeps {
  /** Undefined if the operator has set none: then there is no installer. */
  readonly offered: OfferedPackage | undefined;
  /** For machines of the channel `beta`; undefined if they get the same as all others. */
  readonly offeredBeta: OfferedPackage | undefined;
  /**
   * URL of the API for other machines; undefined for the address on which it listens. The `Host`
   * header is never used, because a proxy could store the script with the host of another caller.
   */
  readonly publicUrl: string | undefined;
}

/** The installer for owners of machines, the page with its digest, and what updates read. */
export function addInstallRoutes(
  server: FastifyInstance,
  { offered, offeredBeta, publicUrl }: InstallDeps,
): void {
  const scriptFor = ({ version, sha256 }: OfferedPackage) => {
    const url = (publicUrl ?? server.listeningOrigin).replace(/\/+$/, '');
    return { url, script: installScript({ url, version, sha256 }) };
  };
  const configured = (): OfferedPackage => {
    if (offered === undefined)
      throw new ApiError('not_configured', 'This network has no installer (DINF_INSTALL_PACKAGE).');
    return offered;
  };
  const hidden = { schema: { hide: true } };
  server.get('/install.sh', hidden, async (_request, reply) =>
    reply.type('text/plain; charset=utf-8').send(scriptFor(configured()).script),
  );
  server.get('/install', hidden, async (_request, reply) => {
    const found = configured();
    const { url, script } = scriptFor(found);
    return reply
      .type('text/plain; charset=utf-8')
      .send(installPage({ url, scriptSha256: sha256Of(script), ...found }));
  });
  server.get<{ Querystring: { channel?: string } }>(
    '/install/offer.json',
    hidden,
    async ({ query }) => {
      const stable = configured();
      const { version, sha256, bytes } =
        query.channel === 'beta' ? (offeredBeta ?? stable) : stable;
      return { version, sha256, bytes: bytes.length };
    },
  );
  server.get<{ Params: { name: string } }>('/install/:name', hidden, async (request, reply) => {
    const found = [configured(), offeredBeta].find(
      (each) => request.params.name === `d-inference-${each?.version}.tgz`,
    );
    if (found === undefined) throw new ApiError('not_found');
    return reply.type('application/gzip').send(found.bytes);
  });
}

interface PageFacts extends Pick<OfferedPackage, 'version' | 'sha256'> {
  readonly url: string;
  readonly scriptSha256: string;
}

const installPage = ({ url, version, sha256, scriptSha256 }: PageFacts): string => `\
Serve models on your computer for this network. Linux and macOS, with Node 24:

  curl -fsSL ${url}/install.sh | sh

To compare the script with its digest before it runs:

  curl -fsSLO ${url}/install.sh
  echo '${scriptSha256}  install.sh' | shasum -a 256 -c && sh install.sh

SHA-256 of install.sh
  ${scriptSha256}
SHA-256 of d-inference-${version}.tgz
  ${sha256}
`;

const sha256Of = (content: Buffer | string): string =>
  createHash('sha256').update(content).digest('hex');
