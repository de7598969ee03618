import { COST_TERMS, type CostTerm, type DemandReport, type GateName, gates } from '#bus-schemas';

/** Why the machine gets no request although it serves. */
export interface DemandReason {
  /** One of `MISSED_REASONS`, or a newer reason that this version has no text for. */
  readonly code: string;
  /** A sentence that begins with a small letter, because it follows a colon. */
  readonly text: string;
}

type BuildDemand = DemandReport['builds'][number];

/**
 * The reason of the model that callers requested most often. Undefined if the machine was chosen,
 * or if no report has arrived yet.
 */
export function demandReason(builds: readonly BuildDemand[]): DemandReason | undefined {
  if (builds.some(({ chosen }) => chosen > 0)) return undefined;
  const missed = builds.filter((build) => build.missed !== undefined);
  const [most] = missed.toSorted(
    (one, other) => other.requests - one.requests || weightOf(other) - weightOf(one),
  );
  if (most?.missed === undefined) return undefined;
  return { code: most.missed, text: textOf(most.missed, most, builds.length) };
}

/** A fault of the machine explains more than missing demand. */
const weightOf = ({ missed }: BuildDemand): number => (missed === 'no_requests' ? 0 : 1);

function textOf(missed: string, { build, behind }: BuildDemand, builds: number): string {
  switch (missed) {
    case 'no_requests':
      return builds === 1 ? `no caller requests ${build}.` : 'no caller requests its models.';
    case 'other_build':
      return `the network prefers another build of the model to ${build}, and machines with that build are idle.`;
    case 'others_sooner':
      return behind === undefined ? 'other machines are faster.' : behindText(behind);
    case 'not_drawn':
      return 'machines that are as fast got the requests by chance.';
  }
  const text = Object.hasOwn(gates, missed) ? gates[missed as GateName].text : undefined;
  return text === undefined
    ? `the router names the reason "${missed}", which this version cannot explain. Update it.`
    : `${text.charAt(0).toLowerCase()}${text.slice(1)}`;
}

function behindText({ machines, term }: NonNullable<BuildDemand['behind']>): string {
  const one = machines === 1;
  const others = `${machines} ${one ? 'machine' : 'machines'}`;
  const known = COST_TERMS.find((each): each is CostTerm => each === term);
  switch (known) {
    case 'load':
      return `${others} ${one ? 'has' : 'have'} the model in memory already.`;
    case 'queue':
    case 'prompts':
      return `${others} ${one ? 'has' : 'have'} less work.`;
    case 'price':
      return `${others} ${one ? 'asks' : 'ask'} a lower price.`;
    case 'memory':
      return `${others} ${one ? 'has' : 'have'} more free memory: programs on this computer wait for theirs.`;
    case 'cpu':
      return `${others} ${one ? 'has' : 'have'} fewer other programs running.`;
    case 'heat':
      return `${others} ${one ? 'is' : 'are'} cooler.`;
    case 'power':
      return `${others} ${one ? 'has' : 'have'} mains power, or no mode that saves power.`;
    case 'prefill':
    case 'decode':
    case undefined:
      return `${one ? 'a faster machine is' : `${machines} faster machines are`} idle.`;
  }
}
