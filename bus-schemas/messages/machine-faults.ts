import { defineMessage } from '../codec.ts';
import { ProviderId } from '../ids.ts';
import { At } from '../schema-parts.ts';
import { type Static, Type } from '../type.ts';
import { EngineName } from './vocabulary.ts';

/**
 * Faults of machines that the operator counts, to notice a bad release, driver or model. A closed
 * vocabulary and counts: nothing of a request, an answer, a file or a message can be in a report.
 */
export const MACHINE_FAULTS = [
  /** The computer became hot, so the machine accepted fewer requests. */
  'thermal',
  /** The system ended the engine because the memory was full. */
  'oom',
  /** A step of the engine exceeded its time limit, or the engine did not answer. */
  'wedged',
  /** The engine ended unexpectedly. */
  'backend_crash',
  /** A message of the coordinator, or of the engine, could not be read. */
  'protocol_error',
  /** The download of a model failed. */
  'download_failed',
] as const;
export type MachineFault = (typeof MACHINE_FAULTS)[number];

/** Largest number that one report states of a fault. */
export const MAX_FAULT_TIMES = 1_000;

export const CountedFaults = Type.Array(
  Type.Object({
    fault: Type.Enum(MACHINE_FAULTS),
    times: Type.Integer({ minimum: 1, maximum: MAX_FAULT_TIMES }),
  }),
  { minItems: 1, maxItems: MACHINE_FAULTS.length },
);
export type CountedFaults = Static<typeof CountedFaults>;

const facts = {
  agentVersion: Type.String({ maxLength: 32 }),
  engine: EngineName,
  /** Those since the last report; each kind once. */
  faults: CountedFaults,
};

const report = Type.Object(facts);
export type FaultReport = Static<typeof report>;
/** Sent by a machine at most once a minute, and only if there was a fault. */
export const FaultReport = defineMessage('machine-faults', report);

const reported = Type.Object({ provider: ProviderId, at: At, ...facts });
export type FaultsReported = Static<typeof reported>;
/** Published by telemetry for each report of a machine that it accepted. */
export const FaultsReported = defineMessage('evt.telemetry.faults', reported);
