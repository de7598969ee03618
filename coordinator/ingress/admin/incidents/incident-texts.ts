import { type LostFacts, type TrustFault, trustFaultTexts } from '#bus-schemas';
import type { FailingStream } from '#coordinator/event-publisher.ts';
import { failingText, lossText } from '../../degradations.ts';
import type { IncidentAlert } from './incident-kinds.ts';

/**
 * What each kind of incident is about. Pages in other languages write their sentences from these
 * values, so each value is a name, a number or a member of a closed vocabulary.
 */
export interface IncidentValues {
  DinfComponentMissing: { readonly component: string };
  DinfStreamFails: FailingStream;
  DinfFactsLost: LostFacts;
  DinfConsumerBehind: {
    readonly stream: string;
    readonly reader: string;
    readonly waiting: number;
  };
  DinfLedgerDrift: Record<never, never>;
  DinfSettlementConflict: {
    readonly kind: 'operation_conflict' | 'poison_event';
    readonly subject: string;
  };
  DinfPayoutStuck: { readonly payout: string; readonly account: string; readonly state: string };
  DinfFactsParked: { readonly batches: number; readonly reason: string };
  DinfNoLeader: Record<never, never>;
  DinfNoMachines: Record<never, never>;
  DinfQueueFull: { readonly queued: number; readonly room: number };
  DinfMachinesUntrusted: { readonly machine: string; readonly fault: TrustFault | '' };
  DinfClockWrong: {
    /** The sentence of trust. */
    readonly problem: string;
    /** The clock and its offset; empty and 0 if a process of an earlier version reports them. */
    readonly clock: string;
    readonly offsetMs: number;
  };
  DinfHubLost: { readonly hub: string };
}

type Texts = { readonly [Alert in IncidentAlert]: (values: IncidentValues[Alert]) => string };

const CONFLICTS = {
  operation_conflict: 'contradicts the stored operation and changed nothing',
  poison_event: 'is the invalid end of a job, which was not settled',
} as const;

const TEXTS: Texts = {
  DinfComponentMissing: ({ component }) => `no process runs the component ${component}`,
  DinfStreamFails: failingText,
  DinfFactsLost: lossText,
  DinfConsumerBehind: ({ stream, reader, waiting }) =>
    `${waiting} facts of the stream ${stream} wait for the reader ${reader}`,
  DinfLedgerDrift: () => 'the proof of the ledger found a difference',
  DinfSettlementConflict: ({ kind, subject }) => `${subject} ${CONFLICTS[kind]}`,
  DinfPayoutStuck: ({ payout, account, state }) =>
    `the withdrawal ${payout} of ${account} is ${state} for more than 48 hours`,
  DinfFactsParked: ({ batches, reason }) =>
    `${batches === 1 ? 'a batch of facts is parked' : `${batches} batches of facts are parked`}; the bus refused the first one with: ${reason}`,
  DinfNoLeader: () => 'no router of any cell reports itself',
  DinfNoMachines: () => 'no cell has a machine',
  DinfQueueFull: ({ queued, room }) => `${queued} requests wait; there is room for ${room}`,
  DinfMachinesUntrusted: ({ machine, fault }) =>
    fault === '' ? machine : `${machine}: ${trustFaultTexts[fault]}`,
  DinfClockWrong: ({ problem }) => problem,
  DinfHubLost: ({ hub }) => `the hub ${hub} does not answer any more`,
};

/** The values of an incident with its alert, which says which ones these are. */
export type IncidentDetails = {
  readonly [Alert in IncidentAlert]: {
    readonly alert: Alert;
    readonly values: IncidentValues[Alert];
  };
}[IncidentAlert];

/** The incident in a sentence, for an operator. */
export const incidentText = <Alert extends IncidentAlert>({
  alert,
  values,
}: {
  readonly alert: Alert;
  readonly values: IncidentValues[Alert];
}): string => {
  const text = TEXTS[alert](values);
  return text.charAt(0).toUpperCase() + text.slice(1);
};
