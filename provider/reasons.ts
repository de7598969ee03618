/**
 * Closed vocabulary of the reasons why a machine whose program runs accepts no requests. Reports,
 * log lines, the state and its sentence all use these names.
 */

/** Reasons why the engine does not run. It is started again after each of them. */
export const ENGINE_FAULTS = [
  /** A step, or the loading of a model, exceeded its time limit. */
  'engine_hung',
  /** The process of the engine sent nothing for too long, for example because it was stopped. */
  'engine_frozen',
  'engine_crashed',
  /** The system ended the process of the engine because the memory was full. */
  'engine_out_of_memory',
  /** The process of the engine sent a message that cannot be read. */
  'engine_unreadable',
] as const;
export type EngineFault = (typeof ENGINE_FAULTS)[number];

/** Each text completes "Not serving: ". */
export const engineFaultTexts: Readonly<Record<EngineFault, string>> = {
  engine_hung: 'a step of the engine exceeded its time limit, and the engine was ended.',
  engine_frozen: 'the engine did not answer, and was ended.',
  engine_crashed: 'the engine ended unexpectedly.',
  engine_out_of_memory:
    'the memory was full, so the system ended the engine. It gets a smaller share of the memory now.',
  engine_unreadable: 'the engine sent a message that cannot be read, and was ended.',
};

/** Reasons why a machine that could serve accepts no new requests, because its owner set it so. */
export const CLOSURE_REASONS = [
  /** It is none of the hours in which the machine serves. */
  'schedule',
] as const;
export type ClosureReason = (typeof CLOSURE_REASONS)[number];

/** Each text completes "Closed: ". */
export const closedTexts: Readonly<Record<ClosureReason, string>> = {
  schedule: 'your schedule (--schedule) excludes this hour.',
};
