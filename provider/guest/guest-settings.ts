import { type Static, Type } from '#bus-schemas/type.ts';

/** The schedule of a machine that serves at every hour. */
export const ALWAYS = 'always';

/** Limits that the owner of a machine sets. Each is absent if its option was never given. */
export const GuestSettings = {
  /** The hours in which the machine serves, or ALWAYS. */
  schedule: Type.Optional(Type.String()),
  onlyOnPower: Type.Optional(Type.Boolean()),
  /** Least charge on battery, in percent; 0 allows every charge. */
  batteryFloor: Type.Optional(Type.Integer({ minimum: 0, maximum: 100 })),
  /** Time without input after which the user counts as away, in minutes; 0 ignores the user. */
  yieldToUser: Type.Optional(Type.Integer({ minimum: 0 })),
  privateOnly: Type.Optional(Type.Boolean()),
  /** Whether the machine serves lines of batches; absent: it does. */
  batches: Type.Optional(Type.Boolean()),
  allowSleep: Type.Optional(Type.Boolean()),
} as const;
const settings = Type.Object(GuestSettings);
export type GuestSettings = Static<typeof settings>;
