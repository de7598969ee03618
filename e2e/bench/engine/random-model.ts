/**
 * Sizes of a model with random weights, which is used only to measure speed: a Llama, or a Qwen3 with
 * experts.
 */
export interface Size {
  readonly name: string;
  readonly vocabulary: number;
  readonly hidden: number;
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly tied: boolean;
  /** Number of experts in each layer, and of those that a token uses. `width` is then that of one. */
  readonly experts?: { readonly count: number; readonly perToken: number };
}

export const sizes = {
  m6: {
    name: 'm6',
    vocabulary: 4_096,
    hidden: 256,
    width: 704,
    layers: 6,
    heads: 4,
    kvHeads: 2,
    tied: true,
  },
  m10: {
    name: 'm10',
    vocabulary: 8_192,
    hidden: 256,
    width: 704,
    layers: 8,
    heads: 4,
    kvHeads: 2,
    tied: false,
  },
  m100: {
    name: 'm100',
    vocabulary: 32_000,
    hidden: 768,
    width: 2_048,
    layers: 12,
    heads: 12,
    kvHeads: 4,
    tied: true,
  },
  m500: {
    name: 'm500',
    vocabulary: 32_000,
    hidden: 1_280,
    width: 3_456,
    layers: 26,
    heads: 20,
    kvHeads: 4,
    tied: true,
  },
  moe: {
    name: 'moe',
    vocabulary: 32_000,
    hidden: 768,
    width: 512,
    layers: 8,
    heads: 12,
    kvHeads: 4,
    tied: true,
    experts: { count: 16, perToken: 4 },
  },
  b1: {
    name: 'b1',
    vocabulary: 128_256,
    hidden: 2_048,
    width: 8_192,
    layers: 16,
    heads: 32,
    kvHeads: 8,
    tied: true,
  },
} as const satisfies Record<string, Size>;

/** Number of weights that share one scale. */
export const GROUP = 64;
export const CONTEXT = 8_192;
export const THETA = 10_000;
export const EPS = 1e-5;

/** Returns a mulberry32 generator of 32-bit numbers; the same seed gives the same numbers. */
function randomWords(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
}

/**
 * One rounded matrix: `numbers` has a byte for each weight, from 0 to 15, and w = scale·(number −
 * 8).
 */
export interface RoundedMatrix {
  readonly out: number;
  readonly in: number;
  readonly numbers: Uint8Array;
  /** 16-bit floating-point numbers, one for each group of weights. */
  readonly scales: Uint16Array;
  /** Number of experts whose matrices lie one after the other; `out` counts the rows of one. */
  readonly experts?: number;
}

export interface RandomModel {
  readonly size: Size;
  readonly matrices: ReadonlyMap<string, RoundedMatrix>;
}

export function makeRandomModel(size: Size, seed = 1): RandomModel {
  const word = randomWords(seed);
  const matrices = new Map<string, RoundedMatrix>();
  const add = (
    name: string,
    [out, width]: readonly [number, number],
    { typical = 1 / Math.sqrt(width), experts }: { typical?: number; experts?: number } = {},
  ) => {
    const numbers = new Uint8Array(out * width * (experts ?? 1));
    for (let i = 0; i < numbers.length; i += 8) {
      const bits = word();
      for (let j = 0; j < 8; j += 1) numbers[i + j] = (bits >>> (4 * j)) & 15;
    }
    const scales = Uint16Array.from({ length: numbers.length / GROUP }, () =>
      toHalf((typical / 4.6) * (0.5 + word() / 2 ** 32)),
    );
    matrices.set(name, { out, in: width, numbers, scales, ...(experts && { experts }) });
  };
  const { hidden, width, heads, kvHeads, vocabulary, layers, tied, experts } = size;
  const head = hidden / heads;
  add('model.embed_tokens', [vocabulary, hidden], { typical: 0.4 });
  for (let i = 0; i < layers; i += 1) {
    const at = `model.layers.${i}`;
    add(`${at}.self_attn.q_proj`, [heads * head, hidden]);
    add(`${at}.self_attn.k_proj`, [kvHeads * head, hidden]);
    add(`${at}.self_attn.v_proj`, [kvHeads * head, hidden]);
    add(`${at}.self_attn.o_proj`, [hidden, heads * head]);
    const mlp = `${at}.mlp${experts ? '.switch_mlp' : ''}`;
    const count = experts && { experts: experts.count };
    if (experts) add(`${at}.mlp.gate`, [experts.count, hidden]);
    add(`${mlp}.gate_proj`, [width, hidden], count);
    add(`${mlp}.up_proj`, [width, hidden], count);
    add(`${mlp}.down_proj`, [hidden, width], count);
  }
  if (!tied) add('lm_head', [vocabulary, hidden]);
  return { size, matrices };
}

/** The norms of a model, with their lengths. All their weights are 1. */
export function normsOf({ layers, hidden, heads, experts }: Size): (readonly [string, number])[] {
  const head = hidden / heads;
  return [
    ['model.norm', hidden],
    ...Array.from({ length: layers }, (_, i): (readonly [string, number])[] => [
      [`model.layers.${i}.input_layernorm`, hidden],
      [`model.layers.${i}.post_attention_layernorm`, hidden],
      ...(experts
        ? ([
            [`model.layers.${i}.self_attn.q_norm`, head],
            [`model.layers.${i}.self_attn.k_norm`, head],
          ] as const)
        : []),
    ]).flat(),
  ];
}

/** Converts a positive number in the normal range to a 16-bit floating-point number. */
function toHalf(value: number): number {
  const exponent = Math.floor(Math.log2(value));
  return ((exponent + 15) << 10) | Math.min(1023, Math.round((value / 2 ** exponent - 1) * 1024));
}
