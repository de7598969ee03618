import { type IncidentAlert, kindOf } from './incident-kinds.ts';
import type { IncidentDetails } from './incident-texts.ts';

/** Something that is wrong now. */
export type IncidentFinding = IncidentDetails & {
  /** What it concerns, for example a stream or a component; one incident for each. */
  readonly subject: string;
};

export type NetworkIncident = IncidentFinding & {
  /** Time at which it was first observed, in milliseconds since 1970. */
  readonly since: number;
  /** Time at which it was last observed. */
  readonly seenAt: number;
  readonly endedAt?: number;
};

/** Most incidents that are open at once; further ones appear when others have ended. */
const MAX_OPEN = 100;
/** Ended incidents that are remembered. */
const MAX_ENDED = 100;

export interface Incidents {
  /** In the order in which they began. */
  readonly open: readonly NetworkIncident[];
  /** The one that ended last comes first. */
  readonly ended: readonly NetworkIncident[];
}

export const NO_INCIDENTS: Incidents = { open: [], ended: [] };

/** What was looked at, and what was found. */
export interface Observation {
  /** The alerts that were looked for. The incidents of others stay as they are. */
  readonly checked: ReadonlySet<IncidentAlert>;
  readonly findings: readonly IncidentFinding[];
}

/**
 * The incidents after an observation. A state that was looked for and not found has ended; an
 * incident of one moment ends some time after it was last observed.
 */
export function withObservation(
  { open, ended }: Incidents,
  { checked, findings }: Observation,
  now: number,
): Incidents {
  const found = new Map(findings.map((finding) => [nameOf(finding), finding]));
  const next: NetworkIncident[] = [];
  const over: NetworkIncident[] = [];
  for (const incident of open) {
    const finding = found.get(nameOf(incident));
    found.delete(nameOf(incident));
    if (finding !== undefined) next.push({ ...finding, since: incident.since, seenAt: now });
    else if (isOver(incident, checked, now)) over.push({ ...incident, endedAt: now });
    else next.push(incident);
  }
  const began = [...found.values()].map((finding) => ({ ...finding, since: now, seenAt: now }));
  return {
    open: [...next, ...began].slice(0, MAX_OPEN),
    ended: [...over, ...ended].slice(0, MAX_ENDED),
  };
}

const nameOf = ({ alert, subject }: IncidentFinding): string => `${alert} ${subject}`;

function isOver(
  { alert, seenAt }: NetworkIncident,
  checked: ReadonlySet<IncidentAlert>,
  now: number,
): boolean {
  const { staysMs } = kindOf(alert);
  return staysMs === undefined ? checked.has(alert) : now - seenAt >= staysMs;
}
