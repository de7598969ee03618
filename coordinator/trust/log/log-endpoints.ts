import { type LogKeySuccession, type MessageOf, services } from '#bus-schemas';
import { type Endpoint, endpoint } from '#coordinator/bus.ts';
import type { TransparencyLog } from './transparency-log.ts';

export function logEndpoints(
  log: TransparencyLog,
  successions: readonly LogKeySuccession[],
): Endpoint[] {
  const { head, inclusion, consistency, entries, keys } = services.transparency;
  return [
    endpoint(head, () => log.head()),
    endpoint(inclusion, async ({ leaf, size }): Promise<MessageOf<typeof inclusion.reply>> => {
      const found = await log.inclusion(leaf, size);
      return found === undefined ? { ok: false, code: 'not_in_log' } : { ok: true, ...found };
    }),
    endpoint(
      consistency,
      async ({ earlier, later }): Promise<MessageOf<typeof consistency.reply>> => {
        const proof = await log.consistency(earlier, later);
        return proof === undefined ? { ok: false, code: 'no_such_size' } : { ok: true, proof };
      },
    ),
    endpoint(keys, () => ({ successions: [...successions] })),
    endpoint(entries, async ({ from, limit }) => ({ entries: await log.entries(from, limit) })),
  ];
}
