import { BEST_CHIP, type ChipFigures, chipFigures } from '#bus-schemas';

/**
 * How fast a build can run on a chip at most, in milliseconds per token. To decode a token, a
 * machine
 * reads all weights that are active once: memory bandwidth is the bound. To read a prompt token, it
 * does two operations per active parameter: arithmetic is the bound.
 *
 * Prevents a machine from drawing work by a claim that its own chip could not keep. The name of the
 * chip is the machine's own word, so the attacker is bounded by the best chip of the table.
 */
export interface SpeedBounds {
  readonly tokenMs: number;
  readonly promptTokenMs: number;
}

/**
 * For a chip that is not in the table, until answers of the machine were measured: those of a plain
 * Mac.
 */
const PLAIN: ChipFigures = { bandwidthGbps: 100, teraflops: 8.2 };
/** A build whose name does not tell its size: smaller than the models that people pay for. */
const UNKNOWN_BILLIONS = 0.1;
/** A build whose name does not tell its quantization: the smallest in common use. */
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

/** The smallest number that the name states: a bound may be too lenient, and never too strict. */
function least(found: Iterable<RegExpMatchArray>): number | undefined {
  const numbers = [...found]
    .map(([, one, other]) => Number(one ?? other))
    .filter((number) => number > 0);
  return numbers.length === 0 ? undefined : Math.min(...numbers);
}
