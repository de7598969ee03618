/**
 * Decides which hubs of a cluster have ended without an announcement, as a function of (known hubs,
 * one round of answers).
 *
 * A hub is lost if it has been silent for `SILENT_ROUNDS` rounds and no answering hub has a route
 * to it, or if another process answers under its name. A hub that is only slow keeps its routes and
 * is not lost: its machines are still connected to it, and other hubs must not drop them. A round
 * without any answer proves nothing, because trust itself may be disconnected.
 */
export interface HubAnswer {
  /** Changes with each start of the hub. */
  readonly id: string;
  /** Stays the same after a restart, and is unique in a cluster. */
  readonly name: string;
  /** Names of the hubs that it has routes to. */
  readonly routes: readonly string[];
}

export interface KnownHub {
  readonly id: string;
  readonly name: string;
  readonly silentRounds: number;
}

export interface HubRound {
  readonly known: readonly KnownHub[];
  readonly lost: readonly KnownHub[];
  /** One hub answers, and has no route to another one. */
  readonly isAlone: boolean;
}

const SILENT_ROUNDS = 2;
/**
 * Far more than a cluster has; only programs with the system account's credentials can add hubs.
 */
const MAX_HUBS = 256;

export function hubRound(before: readonly KnownHub[], answers: readonly HubAnswer[]): HubRound {
  if (answers.length === 0) return { known: before, lost: [], isAlone: false };
  const answering = new Map(answers.map(({ id, name }) => [id, { id, name, silentRounds: 0 }]));
  const names = new Set(answers.map(({ name }) => name));
  const routed = new Set(answers.flatMap(({ routes }) => routes));
  const silent = before
    .filter(({ id }) => !answering.has(id))
    .map((hub) => ({ ...hub, silentRounds: hub.silentRounds + 1 }));
  const isLost = ({ name, silentRounds }: KnownHub): boolean =>
    names.has(name) || (silentRounds >= SILENT_ROUNDS && !routed.has(name));
  const known = [...answering.values(), ...silent.filter((hub) => !isLost(hub))].slice(0, MAX_HUBS);
  const isAlone = known.length === 1 && routed.size === 0;
  return { known, lost: silent.filter(isLost), isAlone };
}
