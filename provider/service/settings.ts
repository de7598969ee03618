import { join } from 'node:path';
import { checkerOf } from '#bus-schemas/platform.ts';
import { readIfThere, replace } from '#bus-schemas/saved-file.ts';
import { type Static, Type } from '#bus-schemas/type.ts';
import { DESIRED_MODES } from '../desired/desired-modes.ts';
import { GuestSettings } from '../guest/guest-settings.ts';
import { UPDATE_CHANNELS, UPDATE_MODES } from '../updates/update-modes.ts';

/** The options that the owner gave to `dinf provider start`, saved so that they hold after a reboot. */
const Settings = Type.Object({
  coordinator: Type.String(),
  engine: Type.String(),
  models: Type.Array(Type.String()),
  concurrency: Type.Integer({ minimum: 1 }),
  idleMinutes: Type.Integer({ minimum: 0 }),
  /** Absent in settings that an older version saved. */
  memoryPercent: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
  /** Absent in settings that an older version saved. */
  prefixDiskGb: Type.Optional(Type.Integer({ minimum: 0 })),
  prefixDiskHours: Type.Optional(Type.Integer({ minimum: 1, maximum: 24 })),
  prefixDiskDailyGb: Type.Optional(Type.Integer({ minimum: 0 })),
  ...GuestSettings,
  /** Absent in settings that an older version saved. */
  updates: Type.Optional(Type.Enum(UPDATE_MODES)),
  /** Absent in settings that an older version saved. */
  channel: Type.Optional(Type.Enum(UPDATE_CHANNELS)),
  /** Absent in settings that an older version saved. */
  desired: Type.Optional(Type.Enum(DESIRED_MODES)),
  /** Gigabytes that may be downloaded in a day because the network wants a build. */
  desiredGb: Type.Optional(Type.Integer({ minimum: 0 })),
  /** Whether a machine that is not enrolled yet shows a code for its owner to approve. */
  link: Type.Boolean(),
  isPaused: Type.Boolean(),
  /** Port on which programs of this machine use the models; 0 for none. */
  local: Type.Optional(Type.Integer({ minimum: 0, maximum: 65_535 })),
  /** Arguments about the model server of the engine `openai`. */
  upstream: Type.Optional(Type.Array(Type.String())),
});
export type Settings = Static<typeof Settings>;

const pathIn = (home: string): string => join(home, 'settings.json');

export async function readSettings(home: string): Promise<Settings | undefined> {
  const text = await readIfThere(pathIn(home));
  return text === undefined ? undefined : checkerOf(Settings).Parse(JSON.parse(text));
}

export async function saveSettings(home: string, settings: Settings): Promise<void> {
  await replace(pathIn(home), `${JSON.stringify(settings, null, 2)}\n`);
}
