import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { TINY_MODEL_FOLDER } from '#tiny-model';
import { openModel } from './model.ts';
import { ModelError } from './model-error.ts';
import { TextStream } from './tokenizer.ts';

const FILES = [
  'config.json',
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'chat_template.jinja',
  'model.safetensors',
] as const;
type FileName = (typeof FILES)[number];
type Header = Record<string, { dtype: string; shape: number[]; data_offsets: number[] }>;

/** A file of the folder and the bytes that replace its content. */
interface Mutation {
  readonly name: FileName;
  readonly bytes: Uint8Array;
}

/** A copy of the tiny model's folder. A test may change any of its files. */
export class ModelFolderUnderTest implements AsyncDisposable {
  readonly path: string;
  readonly #originals: ReadonlyMap<string, Buffer>;

  private constructor(path: string, originals: ReadonlyMap<string, Buffer>) {
    this.path = path;
    this.#originals = originals;
  }

  static async create(): Promise<ModelFolderUnderTest> {
    const path = await mkdtemp(join(tmpdir(), 'dinf-model-'));
    await cp(TINY_MODEL_FOLDER, path, { recursive: true });
    const originals = new Map<string, Buffer>();
    for (const name of FILES) originals.set(name, await readFile(join(path, name)));
    return new ModelFolderUnderTest(path, originals);
  }

  at(name: string): string {
    return join(this.path, name);
  }

  original(name: FileName): Buffer {
    return this.#originals.get(name) as Buffer;
  }

  // biome-ignore lint/suspicious/noExplicitAny: tests change any part of it
  json(name: FileName): any {
    return JSON.parse(this.original(name).toString('utf8'));
  }

  async withFile(
    { name, bytes }: { name: FileName; bytes: Uint8Array | string },
    use: () => Promise<void>,
  ): Promise<void> {
    await writeFile(this.at(name), bytes);
    try {
      await use();
    } finally {
      await writeFile(this.at(name), this.original(name));
    }
  }

  /**
   * Opens the model. Returns `opened`, or the code of the ModelError. Any other error is a bug of
   * the loader and is thrown.
   */
  async opened(): Promise<string> {
    try {
      await openModel(this.path);
      return 'opened';
    } catch (error) {
      if (error instanceof ModelError) return error.code;
      throw error;
    }
  }

  /** Returns a safetensors file with a changed header and the same tensors. */
  withHeader(change: (header: Header) => void): Buffer {
    const file = this.original('model.safetensors');
    const length = Number(file.readBigUInt64LE(0));
    const header = JSON.parse(file.subarray(8, 8 + length).toString('utf8'));
    change(header);
    const text = Buffer.from(JSON.stringify(header));
    const start = Buffer.alloc(8);
    start.writeBigUInt64LE(BigInt(text.length));
    return Buffer.concat([start, text, file.subarray(8 + length)]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true });
  }
}

/**
 * A token that mutated tokenizers contain, often with an id for which the model's weights have no
 * row.
 */
const EVIL_TOKEN = '<|evil|>';
const PROMPTS = [
  'hello',
  `hello ${EVIL_TOKEN} x`,
  `${EVIL_TOKEN}`,
  '<|im_end|> é 水 \u0000 \uD800',
  '',
];

/**
 * Returns the tokens of all prompts that the model's tokenizer and template accept. Throws if a
 * token is outside of the vocabulary, or if a prompt is rejected with another error than
 * ModelError.
 */
export async function promptsOf(path: string): Promise<number[][]> {
  const { tokenizer, template, shape } = await openModel(path);
  const prompts: number[][] = [];
  for (const content of PROMPTS) {
    try {
      prompts.push(
        tokenizer.encode(template.render({ messages: [{ role: 'user', content }], max_tokens: 1 })),
      );
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
    }
  }
  for (const prompt of prompts) {
    const stream = new TextStream(tokenizer);
    for (const token of prompt) {
      if (!(Number.isInteger(token) && token >= 0 && token < shape.vocabulary))
        throw new Error(`the prompt has the token ${token} of ${shape.vocabulary}`);
      stream.push(token);
      tokenizer.textOf(token);
    }
    stream.end();
  }
  return prompts;
}

const values = fc.oneof(
  fc.integer(),
  fc.double(),
  fc.string({ maxLength: 20 }),
  fc.constantFrom<unknown>(
    null,
    true,
    [],
    {},
    -1,
    0,
    2 ** 31,
    2 ** 53,
    1e308,
    'é'.repeat(1000),
    [[]],
    { a: {} },
  ),
);
const tokenIds = fc.oneof(
  fc.nat(600),
  fc.constantFrom<unknown>(
    511,
    512,
    513,
    700,
    400_000_000,
    2 ** 31 - 1,
    2 ** 31,
    2 ** 32,
    2 ** 53 - 1,
    -1,
    1.5,
    null,
    '3',
  ),
);

/**
 * Generates files of a hostile folder: random changes, and changes that an attacker would make to a
 * tokenizer or a template.
 */
export function mutationsOf(folder: ModelFolderUnderTest): fc.Arbitrary<Mutation> {
  const jsonFile = (name: FileName, whole: unknown): Mutation => ({
    name,
    bytes: Buffer.from(JSON.stringify(whole)),
  });
  /** Replaces the value at a random place of a JSON file. */
  const changed = fc
    .tuple(
      fc.constantFrom(
        'config.json',
        'generation_config.json',
        'tokenizer_config.json',
        'tokenizer.json' as const,
      ),
      fc.array(fc.nat(10_000), { minLength: 1, maxLength: 5 }),
      values,
    )
    .map(([name, path, value]) => jsonFile(name, withValueAt(folder.json(name), path, value)));
  const header = fc
    .tuple(
      fc.nat(10_000),
      fc.constantFrom('dtype', 'shape', 'data_offsets'),
      fc.oneof(values, fc.array(fc.integer({ min: -10, max: 2_000_000 }), { maxLength: 4 })),
    )
    .map(([n, field, value]) => ({
      name: 'model.safetensors' as const,
      bytes: folder.withHeader((all) => {
        const names = Object.keys(all);
        Object.assign(all[names[n % names.length] as string] as object, { [field]: value });
      }),
    }));
  /** Replaces some bytes, or cuts the file. */
  const spoiled = fc
    .tuple(
      fc.constantFrom(...FILES),
      fc.array(fc.tuple(fc.nat(2_000_000), fc.nat(255)), { minLength: 1, maxLength: 8 }),
      fc.option(fc.nat(2_000_000), { nil: undefined }),
      fc.boolean(),
    )
    .map(([name, changes, end, isNearStart]) => {
      const bytes = Buffer.from(folder.original(name));
      const most = name === 'model.safetensors' && isNearStart ? 8_000 : bytes.length;
      for (const [place, byte] of changes) bytes[place % Math.min(most, bytes.length)] = byte;
      return {
        name,
        bytes: end === undefined ? bytes : bytes.subarray(0, end % (bytes.length + 1)),
      };
    });
  const addedToken = fc
    .record({
      content: fc.constantFrom(EVIL_TOKEN, 'hello', ' ', 'l', '<|im_start|>'),
      id: tokenIds,
      special: fc.boolean(),
      normalized: fc.boolean(),
      lstrip: fc.boolean(),
    })
    .map((token) => {
      const whole = folder.json('tokenizer.json');
      whole.added_tokens.push(token);
      return jsonFile('tokenizer.json', whole);
    });
  const renumbered = fc
    .tuple(
      fc.nat(10_000),
      tokenIds,
      fc.constantFrom(undefined, {
        type: 'Replace',
        pattern: { String: 'e' },
        content: EVIL_TOKEN,
      }),
    )
    .map(([n, id, normalizer]) => {
      const whole = folder.json('tokenizer.json');
      const words = Object.keys(whole.model.vocab);
      whole.model.vocab[words[n % words.length] as string] = id;
      if (normalizer !== undefined) whole.normalizer = normalizer;
      return jsonFile('tokenizer.json', whole);
    });
  const template = fc
    .array(
      fc.constantFrom(
        EVIL_TOKEN,
        '{{ messages[0].content }}',
        '{% for m in messages %}',
        '{% endfor %}',
        '{{ m.content }}',
        '{{ tools[9].x.y }}',
        '{% if true %}',
        '{{',
        '{{ 1 / 0 }}',
        '{{ messages }}',
      ),
      { minLength: 1, maxLength: 6 },
    )
    .map((parts) => ({ name: 'chat_template.jinja' as const, bytes: Buffer.from(parts.join('')) }));
  const specials = fc
    .record({
      bos_token: values,
      eos_token: fc.oneof(values, fc.constantFrom(EVIL_TOKEN, { content: EVIL_TOKEN })),
      additional_special_tokens: values,
      added_tokens_decoder: values,
    })
    .map((fields) =>
      jsonFile('tokenizer_config.json', { ...folder.json('tokenizer_config.json'), ...fields }),
    );
  return fc.oneof(changed, header, spoiled, addedToken, renumbered, template, specials);
}

/**
 * Replaces the value at a path. Each number of the path selects one of the keys at its level,
 * modulo the number of keys.
 */
export function withValueAt<T extends object>(
  whole: T,
  path: readonly number[],
  value: unknown,
): T {
  let here = whole as Record<string, unknown>;
  for (const [i, n] of path.entries()) {
    const keys = Object.keys(here);
    const key = keys[n % keys.length];
    if (key === undefined) break;
    const inner = here[key];
    if (
      i === path.length - 1 ||
      typeof inner !== 'object' ||
      inner === null ||
      ArrayBuffer.isView(inner)
    ) {
      here[key] = value;
      break;
    }
    here = inner as Record<string, unknown>;
  }
  return whole;
}
