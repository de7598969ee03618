import type { FieldReader } from './field-reader.ts';

export type RopeScaling =
  | { readonly kind: 'none' }
  /** Nothing rotates: the layer does not use the positions of tokens. */
  | { readonly kind: 'still' }
  | { readonly kind: 'linear'; readonly factor: number }
  /** Only the first `part` of the pairs rotates, as fast as if all did. */
  | { readonly kind: 'proportional'; readonly factor: number; readonly part: number }
  | {
      readonly kind: 'llama3';
      readonly factor: number;
      readonly low: number;
      readonly high: number;
      readonly trained: number;
    }
  | {
      readonly kind: 'yarn';
      readonly factor: number;
      readonly trained: number;
      readonly fast: number;
      readonly slow: number;
      readonly attention: number;
      /** True if the bounds of the ramp are rounded outwards to whole pairs. */
      readonly truncates: boolean;
    }
  | {
      /**
       * LongRoPE. Each pair has a factor of its own. A file also has factors for short texts, which are
       * not used, as in mlx-lm: keys in the cache must not change when a text becomes long.
       */
      readonly kind: 'long';
      readonly factors: readonly number[];
      readonly attention: number;
    };

export type Sections = readonly [time: number, row: number, column: number];

/** Number of coordinates of a token: time, row and column. */
export const AXES = 3;

export interface Rope {
  readonly theta: number;
  /** How many of a head's numbers rotate, if not all. */
  readonly rotated?: number;
  /** True if the file pairs each number with the next one, and not with the one half a turn later. */
  readonly pairsNeighbours?: boolean;
  /**
   * Set if pairs rotate by three coordinates of a token, in turn: its time, and its row and column if it
   * belongs to an image. These are the numbers of pairs for each of them.
   */
  readonly sections?: Sections;
  readonly scaling: RopeScaling;
}

export function readRopeScaling(fields: FieldReader | undefined): RopeScaling {
  if (fields === undefined) return { kind: 'none' };
  const name = fields.has('rope_type') ? 'rope_type' : 'type';
  const type = fields.text(name, ['default', 'linear', 'llama3', 'yarn'], {
    or: 'default' as const,
  });
  if (type === 'default') return { kind: 'none' };
  const factor = fields.number('factor', { min: 1, max: 1e4 });
  if (type === 'linear') return { kind: 'linear', factor };
  const trained = fields.integer('original_max_position_embeddings', { max: 10_000_000 });
  if (type === 'llama3') {
    return {
      kind: 'llama3',
      factor,
      trained,
      low: fields.number('low_freq_factor', { or: 1 }),
      high: fields.number('high_freq_factor', { or: 4 }),
    };
  }
  const weight = (mscale: number) => (factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1);
  const attention = fields.number('attention_factor', {
    or:
      weight(fields.number('mscale', { or: 1 })) /
      weight(fields.number('mscale_all_dim', { or: 0 })),
  });
  return {
    kind: 'yarn',
    factor,
    trained,
    fast: fields.number('beta_fast', { or: 32 }),
    slow: fields.number('beta_slow', { or: 1 }),
    attention,
    truncates: fields.flag('truncate', true),
  };
}

/**
 * The angle in radians by which each pair of a head's numbers rotates per token. It is 0 for the
 * last pairs if only a part of the numbers rotates.
 */
export function frequencies({ rotated, ...rope }: Rope, headDim: number): Float64Array {
  const all = new Float64Array(headDim / 2);
  all.set(frequenciesOfAll(rope, rotated ?? headDim));
  return all;
}

function frequenciesOfAll({ theta, scaling }: Rope, headDim: number): Float64Array {
  const half = headDim / 2;
  return Float64Array.from({ length: half }, (_, i) => {
    const plain = theta ** (-i / half);
    switch (scaling.kind) {
      case 'none':
        return plain;
      case 'still':
        return 0;
      case 'linear':
        return plain / scaling.factor;
      case 'long':
        return plain / (scaling.factors[i] as number);
      case 'proportional':
        return i < Math.floor(scaling.part * half) ? plain / scaling.factor : 0;
      case 'llama3': {
        const length = (2 * Math.PI) / plain;
        const { factor, low, high, trained } = scaling;
        if (length > trained / low) return plain / factor;
        if (length < trained / high) return plain;
        const smooth = (trained / length - low) / (high - low);
        return ((1 - smooth) * plain) / factor + smooth * plain;
      }
      case 'yarn': {
        const pairOf = (turns: number) =>
          (headDim * Math.log(scaling.trained / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
        const [fast, slow] = [pairOf(scaling.fast), pairOf(scaling.slow)];
        const from = Math.max(scaling.truncates ? Math.floor(fast) : fast, 0);
        const to = Math.min(scaling.truncates ? Math.ceil(slow) : slow, headDim - 1);
        const ramp = Math.min(1, Math.max(0, (i - from) / Math.max(to - from, 0.001)));
        return (plain / scaling.factor) * ramp + plain * (1 - ramp);
      }
    }
  });
}

/**
 * Cosines and sines by position. All decoders use this table, because the sine functions of
 * different libraries and GPUs differ slightly.
 */
class RopeTable {
  readonly half: number;
  readonly #frequencies: Float64Array;
  /** The coordinate by which each pair rotates; undefined if all rotate by the first one. */
  readonly #axes: Uint8Array | undefined;
  /** The factor of the pairs that rotate. */
  readonly #scale: number;
  #rows: Float32Array = new Float32Array(0);
  #known = 0;

  constructor(rope: Rope, headDim: number) {
    this.half = headDim / 2;
    this.#frequencies = frequencies(rope, headDim);
    this.#axes = rope.sections && axesOf(rope.sections, this.half);
    this.#scale = 'attention' in rope.scaling ? rope.scaling.attention : 1;
  }

  /** Writes the cosines and then the sines of each token, by its three coordinates. */
  fill(into: Float32Array, coordinates: Int32Array): void {
    const width = 2 * this.half;
    for (let i = 0; i < coordinates.length / AXES; i += 1) {
      const own = coordinates.subarray(i * AXES, (i + 1) * AXES);
      const [time, row, column] = own as unknown as [number, number, number];
      const most = Math.max(time, row, column);
      if (most >= this.#known) this.#grow(most + 1);
      into.set(this.#rows.subarray(time * width, (time + 1) * width), i * width);
      if (row !== time || column !== time) this.#turn(into.subarray(i * width), own);
    }
  }

  /** Replaces the angles of the pairs that rotate by the row and the column of a token. */
  #turn(angles: Float32Array, coordinates: Int32Array): void {
    for (const [pair, axis] of this.#axes?.entries() ?? []) {
      const from = (coordinates[axis] as number) * 2 * this.half;
      angles[pair] = this.#rows[from + pair] as number;
      angles[this.half + pair] = this.#rows[from + this.half + pair] as number;
    }
  }

  #grow(least: number): void {
    const width = 2 * this.half;
    const known = Math.max(least, this.#known * 2, 256);
    const rows = new Float32Array(known * width);
    rows.set(this.#rows);
    for (let position = this.#known; position < known; position += 1) {
      for (let i = 0; i < this.half; i += 1) {
        const frequency = this.#frequencies[i] as number;
        const scale = frequency === 0 ? 1 : this.#scale;
        rows[position * width + i] = Math.cos(position * frequency) * scale;
        rows[position * width + this.half + i] = Math.sin(position * frequency) * scale;
      }
    }
    this.#rows = rows;
    this.#known = known;
  }
}

/** The pairs of rows and columns lie between those of time, one after the other, as long as there are some. */
const axesOf = (sections: Sections, pairs: number): Uint8Array =>
  Uint8Array.from({ length: pairs }, (_, pair) => {
    const axis = pair % AXES;
    return pair < (sections[axis] as number) * AXES ? axis : 0;
  });

/** The tables of all ropes of a model. */
export class RopeTables {
  readonly #tables: readonly RopeTable[];

  constructor({ ropes, headDim }: { ropes: readonly Rope[]; headDim: number }) {
    this.#tables = ropes.map((rope) => new RopeTable(rope, headDim));
  }

  /** Returns, for each rope and each token, the cosines and then the sines, by its three coordinates. */
  angles(coordinates: Int32Array): Float32Array<ArrayBuffer> {
    const size = (coordinates.length / AXES) * 2 * (this.#tables[0]?.half ?? 0);
    const angles = new Float32Array(this.#tables.length * size);
    for (const [index, table] of this.#tables.entries())
      table.fill(angles.subarray(index * size, (index + 1) * size), coordinates);
    return angles;
  }
}
