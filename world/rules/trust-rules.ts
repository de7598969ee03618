import { FORMER_CUSTOMER } from '../customers.ts';
import { each, isTroubled, type Rule, seconds } from './rule.ts';

/** A machine that was removed serves nothing after this time, in milliseconds; a key the same. */
const REMOVED_WITHIN_MS = 1_000;
/** If an ingress did not receive that a key was removed, it asks after this time, in milliseconds. */
const KEY_FORGOTTEN_MS = 61_000;

export const trustRules: readonly Rule[] = [
  {
    name: 'a removed machine serves nothing after one second',
    broken: ({ network: { machines, watch } }) =>
      machines.flatMap(({ name, removedAt, enrolment: { provider } }) => {
        if (removedAt === undefined) return [];
        const end = removedAt + REMOVED_WITHIN_MS;
        const late = (what: string, last = 0) =>
          last > end ? [`${name} ${what} ${seconds(last - removedAt)} later`] : [];
        return [
          ...late('sent a message', watch.lastMessages.get(provider)),
          ...late('got an order', watch.lastOrders.get(provider)),
        ];
      }),
  },
  {
    name: 'a removed key is refused after one second',
    broken: ({ book, network, faults, begin }) => {
      const removedAt = network.removedKeys.get(FORMER_CUSTOMER);
      if (removedAt === undefined) return [];
      const parts = ['hub', 'accounts', 'ingress-1', 'ingress-2'];
      const end =
        removedAt +
        (isTroubled(removedAt - begin, parts, faults) ? KEY_FORGOTTEN_MS : REMOVED_WITHIN_MS);
      return each(book, ({ customer, askedAt, text }) =>
        customer === FORMER_CUSTOMER && askedAt > end && text !== ''
          ? `was served ${seconds(askedAt - removedAt)} later`
          : undefined,
      );
    },
  },
  {
    name: 'a machine gets no order before trust has verified it',
    broken: ({ network }) => network.watch.earlyOrders,
  },
  {
    name: 'a machine answers an order once: a frame that is sent again has the same bytes',
    // A machine that was killed has lost the first answer, and a hostile one changes it.
    broken: ({ network: { machines, watch }, faults }) =>
      machines.flatMap(({ name, enrolment: { provider } }) => {
        const changed = watch.changedFrames.get(provider);
        return changed !== undefined && !faults.some(({ host }) => host === name)
          ? [`${name} sent two frames ${changed}`]
          : [];
      }),
  },
  {
    name: 'a machine runs no order twice',
    // A machine that was killed does not know what it has run.
    broken: ({ network: { machines, watch }, faults }) =>
      machines.flatMap(({ name, runs, enrolment: { provider } }) => {
        const ordered = watch.ordered.get(provider)?.size ?? 0;
        return runs > ordered && !faults.some(({ kind, host }) => kind === 'kill' && host === name)
          ? [`${name} ran ${runs} orders of ${ordered}`]
          : [];
      }),
  },
  {
    name: 'no key seals two messages under one number',
    broken: ({ world }) => world.repeatedSeals,
  },
  { name: 'no process crashes', broken: ({ world }) => world.crashes },
];
