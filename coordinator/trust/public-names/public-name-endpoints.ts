import type { Pool } from 'pg';
import { services } from '#bus-schemas';
import { type Endpoint, endpoint } from '#coordinator/bus.ts';
import {
  allowName,
  hideName,
  publicNames,
  showName,
  withdrawName,
  withdrawnNames,
} from './public-names.ts';

/** Answers about the names that machines have on the public leaderboard. */
export const publicNameEndpoints = (database: Pool): Endpoint[] => [
  endpoint(services.trust.showName, (request) => showName(database, request)),
  endpoint(services.trust.hideName, async (request) => ({
    known: await hideName(database, request),
  })),
  endpoint(services.trust.publicNames, async () => ({ machines: await publicNames(database) })),
  endpoint(services.trust.withdrawName, async ({ name }) => {
    const provider = await withdrawName(database, name);
    return { ...(provider !== undefined && { provider }) };
  }),
  endpoint(services.trust.withdrawnNames, async () => ({
    machines: await withdrawnNames(database),
  })),
  endpoint(services.trust.allowName, async ({ provider }) => ({
    known: await allowName(database, provider),
  })),
];
