/**
 * Decides when a leaf without a link to a hub is started again, as a function of (health,
 * observation, now). nats-server has a defect after which a leaf stops trying to reconnect until it
 * is restarted (nats-server issue 7615: for more than 8 hours).
 *
 * A restart cannot help while no hub accepts connections, so that time does not count. A restart
 * also cannot help a machine whose credentials the hubs refuse, so the pause between two restarts
 * doubles each time, until the leaf has a link again.
 */

/**
 * Why the leaf has no link. `leaf_silent`: the leaf itself does not answer. `hubs_unreachable`: no
 * hub accepts a TCP connection. `no_link`: a hub accepts connections, and the leaf has none.
 */
type LinkFault = 'leaf_silent' | 'hubs_unreachable' | 'no_link';

export interface LinkHealth {
  /** Undefined while the leaf has a link. */
  readonly fault: LinkFault | undefined;
  /** When this fault, or this restart, began. */
  readonly since: number;
  /** Number of restarts since the last link. */
  readonly restarts: number;
}

export interface LinkObservation {
  /** Number of links to hubs that the leaf reports; undefined if the leaf does not answer. */
  readonly links: number | undefined;
  /** Whether a hub accepts a TCP connection. Only used if there is no link. */
  readonly isHubReachable: boolean;
}

export interface LinkDecision {
  readonly health: LinkHealth;
  readonly mustRestart: boolean;
}

/** After this many restarts the pause stays the same: 32 times the limit, 16 minutes for 30 s. */
const MOST_DOUBLINGS = 5;

export function judgeLink(
  before: LinkHealth,
  { links, isHubReachable }: LinkObservation,
  { now, limitMs }: { readonly now: number; readonly limitMs: number },
): LinkDecision {
  if (links !== undefined && links > 0)
    return { health: { fault: undefined, since: now, restarts: 0 }, mustRestart: false };
  const fault =
    links === undefined ? 'leaf_silent' : isHubReachable ? 'no_link' : 'hubs_unreachable';
  const since = before.fault === fault ? before.since : now;
  const pauseMs = limitMs * 2 ** Math.min(before.restarts, MOST_DOUBLINGS);
  const mustRestart = fault !== 'hubs_unreachable' && now - since >= pauseMs;
  return {
    health: mustRestart
      ? { fault, since: now, restarts: before.restarts + 1 }
      : { fault, since, restarts: before.restarts },
    mustRestart,
  };
}
