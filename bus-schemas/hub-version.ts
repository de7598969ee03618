/**
 * The oldest version of nats-server that is safe as a hub. Older ones do not enforce the
 * permissions of a leaf: a hostile provider could publish as any other provider.
 */
export const MINIMUM_NATS_SERVER = '2.14.0';

/** True if the version is at least the minimum; `2.14.0-preview.1` is older than `2.14.0`. */
export function isSafeHub(version: string, minimum: string = MINIMUM_NATS_SERVER): boolean {
  const [numbers = '', preview] = version.split('-', 2);
  const have = numbers.split('.').map(Number);
  const want = minimum.split('.').map(Number);
  for (const [place, wanted] of want.entries()) {
    const found = have[place] ?? 0;
    if (found !== wanted) return found > wanted;
  }
  return preview === undefined;
}
