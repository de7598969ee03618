import { services } from '#bus-schemas';
import { type Endpoint, endpoint } from '#coordinator/bus.ts';
import type { Attestor } from '../attestation/attestor.ts';
import type { Releases } from './releases.ts';

export function releaseEndpoints({
  releases,
  attestor,
}: {
  releases: Releases;
  attestor: Attestor;
}): Endpoint[] {
  return [
    endpoint(services.releases.list, async () => ({
      releases: (await releases.list()).map(({ addedAt, withdrawnAt, ...release }) => ({
        ...release,
        addedAt: addedAt.getTime(),
        ...(withdrawnAt !== null && { withdrawnAt: withdrawnAt.getTime() }),
      })),
    })),
    endpoint(services.releases.add, async (release) => ({ added: await releases.add(release) })),
    endpoint(services.releases.withdraw, async ({ codeHash, force }) => {
      const withdrawn = await releases.withdraw(codeHash, { force });
      if (withdrawn.ok) await attestor.review(codeHash);
      return withdrawn;
    }),
    endpoint(services.releases.restore, async ({ codeHash }) => releases.restore(codeHash)),
  ];
}
