import { checkerOf } from '#bus-schemas/platform.ts';
import { type Static, Type } from '#bus-schemas/type.ts';
import { callCoordinator } from '../coordinator-call.ts';
import { UpdateError } from './update-error.ts';
import type { UpdateChannel } from './update-modes.ts';

/** The largest package that is downloaded, in bytes. */
const MAX_BYTES = 256 * 1024 * 1024;

/** The package that a network offers. Its answer is not trusted. */
const OfferedVersion = Type.Object({
  version: Type.String({ pattern: '^\\d[\\w.-]{0,40}$' }),
  sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
  bytes: Type.Integer({ minimum: 1, maximum: MAX_BYTES }),
});
export type OfferedVersion = Static<typeof OfferedVersion>;

const Releases = Type.Object({
  data: Type.Array(
    Type.Object({ version: Type.String(), code_hash: Type.String(), active: Type.Boolean() }),
  ),
});
type ActiveRelease = Static<typeof Releases>['data'][number];

/**
 * The package that a network offers in a channel. The channel `beta` has the newer one of both, so a
 * machine in it is never behind the others.
 */
export async function offeredPackage(
  coordinator: string,
  channel: UpdateChannel,
): Promise<OfferedVersion> {
  const stable = await readOffer(coordinator, '/install/offer.json');
  if (channel === 'stable') return stable;
  const beta = await readOffer(coordinator, `/install/offer.json?channel=${channel}`);
  return isNewer(beta.version, stable.version) ? beta : stable;
}

async function readOffer(coordinator: string, path: string): Promise<OfferedVersion> {
  const answer = await callCoordinator<unknown>(coordinator, path);
  if (checkerOf(OfferedVersion).Check(answer)) return answer;
  throw new UpdateError('unreadable', `${coordinator} offers a package in an unknown format.`);
}

export const packageUrl = (coordinator: string, { version }: OfferedVersion): string =>
  new URL(`/install/d-inference-${version}.tgz`, coordinator).href;

/** The releases that machines of the network may run. */
export async function activeReleases(coordinator: string): Promise<readonly ActiveRelease[]> {
  const answer = await callCoordinator<unknown>(coordinator, '/v1/releases');
  if (checkerOf(Releases).Check(answer)) return answer.data.filter(({ active }) => active);
  throw new UpdateError('unreadable', `${coordinator} lists its releases in an unknown format.`);
}

/** Whether a version number is higher than another. A version with a suffix is below its release. */
export function isNewer(version: string, than: string): boolean {
  const [one, other] = [partsOf(version), partsOf(than)];
  for (const [i, part] of one.numbers.entries()) {
    const difference = part - (other.numbers[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  if (one.suffix === other.suffix) return false;
  return one.suffix === '' || (other.suffix !== '' && one.suffix > other.suffix);
}

const NUMBERS = 3;
function partsOf(version: string) {
  const [numbers = '', ...suffix] = version.split('-');
  const known = numbers.split('.').map(Number);
  return {
    numbers: Array.from({ length: NUMBERS }, (_, i) => known[i] || 0),
    suffix: suffix.join('-'),
  };
}
