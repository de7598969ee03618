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

/**
 * Reasons why a machine that could serve accepts no new requests: a setting of its owner, or a state
 * of the computer.
 */
export const CLOSURE_REASONS = [
  /** The memory is short: one reason for each step of relief (guest/memory-pressure.ts). */
  'memory_refuse',
  'memory_unload',
  'memory_end',
  /** It is none of the hours in which the machine serves. */
  'schedule',
] as const;
export type ClosureReason = (typeof CLOSURE_REASONS)[number];

/** Each text completes "Closed: ". */
export const closedTexts: Readonly<Record<ClosureReason, string>> = {
  memory_refuse:
    'the memory of this computer is short. It opens when other programs need less of it.',
  memory_unload:
    'the memory of this computer is short, so models without requests are unloaded. It opens when other programs need less of it.',
  memory_end:
    'the memory of this computer is almost full, so running answers were ended and their models unloaded. It opens when other programs need less of it.',
  schedule: 'your schedule (--schedule) excludes this hour.',
};

/** What an owner should know about a machine that accepts requests nevertheless. */
export const GUEST_NOTES = [
  /** The first step of relief. */
  'memory_caches',
  'memory_unwatched',
] as const;
export type GuestNote = (typeof GUEST_NOTES)[number];

export const noteTexts: Readonly<Record<GuestNote, string>> = {
  memory_caches: 'The memory of this computer is short, so cached conversations were removed.',
  memory_unwatched:
    'This system does not report how short its memory is, so models stay in it until it is full.',
};
