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
  /** The computer reports a critical temperature. */
  'heat',
  /** It is none of the hours in which the machine serves. */
  'schedule',
  'on_battery',
  'battery_low',
  /** A person uses the computer. */
  'user_active',
  /** The computer goes to sleep. */
  'sleep',
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
  heat: 'the computer is too hot. It opens when it has cooled down.',
  schedule: 'your schedule (--schedule) excludes this hour.',
  on_battery:
    'the computer runs on battery (--only-on-power). It opens when it has mains power again.',
  battery_low:
    'the charge of the battery is below your limit (--battery-floor). It opens when the computer has mains power again.',
  user_active: 'the computer is in use (--yield-to-user). It opens when its user is away.',
  sleep: 'the computer goes to sleep. It opens when the computer wakes.',
};

/** What an owner should know about a machine that accepts requests nevertheless. */
export const GUEST_NOTES = [
  /** The first step of relief. */
  'memory_caches',
  'memory_unwatched',
  /** The steps of the heat guard before it closes the machine. */
  'heat_half',
  'heat_quarter',
  'power_unknown',
  'user_unknown',
  'sleep_not_prevented',
  'disk_full',
] as const;
export type GuestNote = (typeof GUEST_NOTES)[number];

export const noteTexts: Readonly<Record<GuestNote, string>> = {
  memory_caches: 'The memory of this computer is short, so cached conversations were removed.',
  memory_unwatched:
    'This system does not report how short its memory is, so models stay in it until it is full.',
  heat_half:
    'The computer is hot, so it accepts half as many requests at the same time, until it has cooled down.',
  heat_quarter:
    'The computer is still hot, so it accepts a quarter of its requests at the same time, until it has cooled down.',
  power_unknown:
    'This system does not report whether it runs on battery, so --only-on-power and --battery-floor have no effect.',
  user_unknown:
    'This system does not report when it was last used (loginctl, ioreg), so --yield-to-user has no effect.',
  sleep_not_prevented:
    'The computer may go to sleep while it serves: the program that keeps it awake (systemd-inhibit, caffeinate) is missing or failed. --allow-sleep removes this note.',
  disk_full:
    'The disk of this machine is full, so neither its log nor its receipts are saved: it serves, and loses the pay of its last answers if it is ended now.',
};
