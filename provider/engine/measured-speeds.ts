import { join } from 'node:path';
import { checkerOf } from '#bus-schemas/platform.ts';
import { readIfThere, replace } from '#bus-schemas/saved-file.ts';
import { type Static, Type } from '#bus-schemas/type.ts';
import type { Speeds } from './scheduling/speeds.ts';

/** Highest speeds that a provider may announce, in tokens per second. */
export const MAX_PREFILL_TPS = 1_000_000;
export const MAX_DECODE_TPS = 100_000;
const tokensPerSecond = Type.Number({ exclusiveMinimum: 0, maximum: 10_000_000 });

/** One line of the table that `dinf provider benchmark` prints. */
const MeasuredPoint = Type.Object({
  /** Tokens of each prompt. */
  promptTokens: Type.Integer({ minimum: 1 }),
  /** Requests at the same time. */
  requests: Type.Integer({ minimum: 1 }),
  /** Tokens per second: of all prompts together, of one answer, and of all answers together. */
  prefillTps: tokensPerSecond,
  decodeTps: tokensPerSecond,
  allDecodeTps: tokensPerSecond,
  /** Resident memory of the process of the engine, in bytes; absent where it cannot be read. */
  memoryBytes: Type.Optional(Type.Integer({ minimum: 0 })),
});
export type MeasuredPoint = Static<typeof MeasuredPoint>;

/** Speed and temperature in one part of a long measurement. */
const SteadyPart = Type.Object({
  /** End of the part, in seconds since the start of the measurement. */
  atSeconds: Type.Number({ minimum: 0 }),
  /** Tokens per second of all answers together, with the time for their prompts. */
  tokensPerSecond,
  /** Highest temperature that the system reports, in degrees Celsius; absent where it has none. */
  celsius: Type.Optional(Type.Number({ minimum: -100, maximum: 200 })),
});
export type SteadyPart = Static<typeof SteadyPart>;

/** The result of one run of `dinf provider benchmark` for one model. */
const Measurement = Type.Object({
  build: Type.String({ maxLength: 256 }),
  /** Digest of the model's files, in hexadecimal digits. */
  digest: Type.String({ maxLength: 64 }),
  engine: Type.String({ maxLength: 64 }),
  /** Version of the program that measured. */
  version: Type.String({ maxLength: 64 }),
  /** Time of the measurement, in milliseconds since 1970. */
  at: Type.Integer({ minimum: 0 }),
  /** The speeds that the machine announces. */
  announced: Type.Object({
    prefillTps: Type.Number({ exclusiveMinimum: 0, maximum: MAX_PREFILL_TPS }),
    decodeTps: Type.Number({ exclusiveMinimum: 0, maximum: MAX_DECODE_TPS }),
  }),
  points: Type.Array(MeasuredPoint, { maxItems: 32 }),
  steady: Type.Array(SteadyPart, { maxItems: 32 }),
});
export type Measurement = Static<typeof Measurement>;

/** Most measurements that a machine keeps, the newest of each model and engine. */
const KEPT = 16;
const pathIn = (home: string): string => join(home, 'measured-speeds.json');

/** The measurements of a machine; none if the file is missing or another version wrote it. */
export async function readMeasurements(home: string): Promise<readonly Measurement[]> {
  const text = await readIfThere(pathIn(home));
  if (text === undefined) return [];
  try {
    return checkerOf(Type.Array(Measurement, { maxItems: KEPT })).Parse(JSON.parse(text));
  } catch {
    // Figures that cannot be read are as good as none: the next measurement replaces the file.
    return [];
  }
}

/** Replaces the earlier measurement of the same model and engine. */
export async function saveMeasurement(home: string, measured: Measurement): Promise<void> {
  const others = (await readMeasurements(home)).filter(
    ({ build, engine }) => build !== measured.build || engine !== measured.engine,
  );
  const kept = [measured, ...others].slice(0, KEPT);
  await replace(pathIn(home), `${JSON.stringify(kept, null, 2)}\n`);
}

export interface MeasuredModel {
  readonly build: string;
  readonly digest: string;
  readonly engine: string;
}

/**
 * The measured speeds of exactly these files on this engine. Speeds of other files or of another
 * engine are never used, because routers would then expect what the machine cannot do.
 */
export const speedsOf = (
  measurements: readonly Measurement[],
  { build, digest, engine }: MeasuredModel,
): Speeds | undefined =>
  measurements.find(
    (known) => known.build === build && known.digest === digest && known.engine === engine,
  )?.announced;
