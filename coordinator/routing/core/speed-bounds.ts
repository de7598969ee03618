import { BEST_CHIP, type ChipFigures, chipFigures } from '#bus-schemas';

/**
 * Upper limits of the speed of a build on a chip, as milliseconds per token. To decode a token, a
 * machine reads all active weights once, so memory bandwidth limits the speed. To read a prompt
 * token, it does two operations per active parameter, so arithmetic limits the speed.
 *
 * Prevents a machine from attracting work with a claim that its own chip cannot reach. The machine
 * itself states the name of its chip, so an attacker is limited by the best chip of the table.
 */
export interface SpeedBounds {
  readonly tokenMs: number;
  readonly promptTokenMs: number;
}

/**
 * Used for a chip that is not in the table, until answers of the machine have been measured: the
 * figures of a basic Mac.
 */
const PLAIN: ChipFigures = { bandwidthGbps: 100, teraflops: 8.2 };
/**
 * Used for a build whose name does not state its size; smaller than the models that customers pay
 * for.
 */
const UNKNOWN_BILLIONS = 0.1;
/** Used for a build whose name does not state its quantization; the smallest in common use. */
const UNKNOWN_BITS = 4;

interface BuildSize {
  readonly billions: number;
  readonly bits: number;
}

export function speedBounds(
  chip: string,
  build: string,
): { readonly unmeasured: SpeedBounds; readonly measured: SpeedBounds } {
  const figures = chipFigures(chip);
  const size = sizeOf(build);
  const measured = boundsOf(figures ?? BEST_CHIP, size);
  return { unmeasured: figures === undefined ? boundsOf(PLAIN, size) : measured, measured };
}

function boundsOf(
  { bandwidthGbps, teraflops }: ChipFigures,
  { billions, bits }: BuildSize,
): SpeedBounds {
  const gigabytes = (billions * bits) / 8;
  return {
    tokenMs: (1_000 * gigabytes) / bandwidthGbps,
    promptTokenMs: (2 * billions) / teraflops,
  };
}

function sizeOf(build: string): BuildSize {
  return {
    billions: least(build.matchAll(PARAMETERS)) ?? UNKNOWN_BILLIONS,
    bits: least(build.matchAll(BITS)) ?? UNKNOWN_BITS,
  };
}

/** `qwen3-30b-a3b-4bit` has 30 billion parameters, of which 3 billion are active for a token. */
const PARAMETERS = /(?<=^|[^a-z0-9.])a?(\d+(?:\.\d+)?)b(?![a-z0-9])/gi;
/** `4bit`, `q4`, `int4`, `fp8`, `bf16`. */
const BITS = /(?<=^|[^a-z0-9])(?:(?:q|int|fp|bf|f)(\d+)|(\d+)bit)(?![0-9])/gi;

/** The smallest number that the name states: a limit may be too lenient, but never too strict. */
function least(found: Iterable<RegExpMatchArray>): number | undefined {
  const numbers = [...found]
    .map(([, one, other]) => Number(one ?? other))
    .filter((number) => number > 0);
  return numbers.length === 0 ? undefined : Math.min(...numbers);
}
