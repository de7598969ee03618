import { execFileSync } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TINY_MODEL_FOLDER } from '#simulator/tiny-model.ts';
import { openModel } from './model.ts';
import { ModelError } from './model-error.ts';

let folder: string;
const at = (name: string) => join(folder, name);
const originals = new Map<string, Buffer>();
const FILES = ['config.json', 'generation_config.json', 'tokenizer.json', 'tokenizer_config.json', 'chat_template.jinja', 'model.safetensors'] as const;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dinf-model-'));
  await cp(TINY_MODEL_FOLDER, folder, { recursive: true });
  for (const name of FILES) originals.set(name, await readFile(at(name)));
});
afterAll(() => rm(folder, { recursive: true }));

/** What opening says: the model is good, or the code of the refusal. Anything else thrown is a fault of ours. */
async function opened(): Promise<string> {
  try {
    await openModel(folder);
    return 'opened';
  } catch (error) {
    if (error instanceof ModelError) return error.code;
    throw error;
  }
}

async function withFile(name: string, bytes: Uint8Array | string, use: () => Promise<void>): Promise<void> {
  await writeFile(at(name), bytes);
  try {
    await use();
  } finally {
    await writeFile(at(name), originals.get(name) as Buffer);
  }
}

const json = (name: string) => JSON.parse((originals.get(name) as Buffer).toString('utf8'));

/** A safetensors file with another header; what follows it stays. */
function withHeader(change: (header: Record<string, { dtype: string; shape: number[]; data_offsets: number[] }>) => void): Buffer {
  const file = originals.get('model.safetensors') as Buffer;
  const length = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.subarray(8, 8 + length).toString('utf8'));
  change(header);
  const text = Buffer.from(JSON.stringify(header));
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([start, text, file.subarray(8 + length)]);
}

const NORM = 'model.norm.weight';
const WEIGHT = 'model.layers.0.mlp.up_proj.weight';
const SCALES = 'model.layers.0.mlp.up_proj.scales';

test('the model as it is opens', async () => {
  expect(await opened()).toBe('opened');
});

describe('a hostile folder is refused, with the reason', () => {
  const other = (name: string, fields: object) => (header: object) => void Object.assign(header[name as keyof typeof header] as object, fields);
  const headers: Record<string, [string, Parameters<typeof withHeader>[0]]> = {
    'overlapping tensors': ['malformed_weights', other(NORM, { data_offsets: [0, 384] })],
    'a tensor past the end': ['malformed_weights', other(NORM, { data_offsets: [2 ** 40, 2 ** 40 + 384] })],
    'a shape of astronomic size': ['malformed_weights', other(NORM, { shape: [2 ** 50, 2 ** 50, 2 ** 50] })],
    'a negative size': ['malformed_weights', other(NORM, { shape: [-192] })],
    'a type that is none': ['malformed_weights', other(NORM, { dtype: 'Q9' })],
    'a weight that is missing': ['missing_weight', (header) => void delete header[WEIGHT]],
    'a weight of another shape': ['wrong_shape', other(WEIGHT, { shape: [288, 48] })],
  };
  for (const [what, [code, change]] of Object.entries(headers)) {
    test(what, () => withFile('model.safetensors', withHeader(change), async () => expect(await opened()).toBe(code)));
  }

  test('a scale that is no number', async () => {
    const file = Buffer.from(originals.get('model.safetensors') as Buffer);
    const length = Number(file.readBigUInt64LE(0));
    const [begin] = JSON.parse(file.subarray(8, 8 + length).toString('utf8'))[SCALES].data_offsets;
    file.writeUInt16LE(0x7e00, 8 + length + begin + 10);
    await withFile('model.safetensors', file, async () => expect(await opened()).toBe('not_finite'));
  });

  test('weights cut short', async () => {
    await truncate(at('model.safetensors'), 1_000_000);
    expect(await opened()).toBe('malformed_weights');
    await writeFile(at('model.safetensors'), originals.get('model.safetensors') as Buffer);
  });

  test('a link that leads out of the folder', async () => {
    await rm(at('model.safetensors'));
    await symlink(join(TINY_MODEL_FOLDER, 'model.safetensors'), at('model.safetensors'));
    expect(await opened()).toBe('outside_folder');
    await rm(at('model.safetensors'));
    await writeFile(at('model.safetensors'), originals.get('model.safetensors') as Buffer);
  });

  test('a pipe in place of a file, which would keep its reader waiting', async () => {
    await rm(at('config.json'));
    execFileSync('mkfifo', [at('config.json')]);
    expect(await opened()).toBe('missing_file');
    await rm(at('config.json'));
    await writeFile(at('config.json'), originals.get('config.json') as Buffer);
  });

  test('an index that names a file elsewhere', async () => {
    await writeFile(at('model.safetensors.index.json'), JSON.stringify({ weight_map: { a: '../../etc/passwd' } }));
    expect(await opened()).toBe('outside_folder');
    await rm(at('model.safetensors.index.json'));
  });

  test('an architecture that we do not serve', () =>
    withFile('config.json', JSON.stringify({ ...json('config.json'), model_type: 'mamba' }), async () =>
      expect(await opened()).toBe('unsupported_architecture'),
    ));

  test('a way of rounding that we do not read', () =>
    withFile('config.json', JSON.stringify({ ...json('config.json'), quantization: { group_size: 64, bits: 4, mode: 'mxfp4' } }), async () =>
      expect(await opened()).toBe('malformed_config'),
    ));
});

/** In CI some seconds; DINF_FUZZ_SECONDS=600 for the long run. */
const FUZZ_MS = 1_000 * Number(process.env['DINF_FUZZ_SECONDS'] ?? 6);

test(
  'whatever is changed in a model’s files, it opens or is refused with a reason',
  async () => {
    const values = fc.oneof(
      fc.integer(),
      fc.double(),
      fc.string({ maxLength: 20 }),
      fc.constantFrom<unknown>(null, true, [], {}, -1, 0, 2 ** 31, 2 ** 53, 1e308, 'é'.repeat(1000), [[]], { a: {} }),
    );
    /** The value at a random place of a JSON file is another one. */
    const changed = fc
      .tuple(
        fc.constantFrom('config.json', 'generation_config.json', 'tokenizer_config.json', 'tokenizer.json'),
        fc.array(fc.nat(10_000), { minLength: 1, maxLength: 5 }),
        values,
      )
      .map(([name, path, value]) => {
        const whole = json(name);
        let here = whole;
        for (const [i, n] of path.entries()) {
          const keys = Object.keys(here);
          const key = keys[n % keys.length];
          if (key === undefined) break;
          const inner = here[key];
          if (i === path.length - 1 || typeof inner !== 'object' || inner === null) {
            here[key] = value;
            break;
          }
          here = inner;
        }
        return { name, bytes: Buffer.from(JSON.stringify(whole)) };
      });
    const header = fc
      .tuple(
        fc.nat(10_000),
        fc.constantFrom('dtype', 'shape', 'data_offsets'),
        fc.oneof(values, fc.array(fc.integer({ min: -10, max: 2_000_000 }), { maxLength: 4 })),
      )
      .map(([n, field, value]) => ({
        name: 'model.safetensors',
        bytes: withHeader((all) => {
          const names = Object.keys(all);
          Object.assign(all[names[n % names.length] as string] as object, { [field]: value });
        }),
      }));
    /** Some bytes are others, or the file ends early. */
    const spoiled = fc
      .tuple(
        fc.constantFrom(...FILES),
        fc.array(fc.tuple(fc.nat(2_000_000), fc.nat(255)), { minLength: 1, maxLength: 8 }),
        fc.option(fc.nat(2_000_000), { nil: undefined }),
      )
      .map(([name, changes, end]) => {
        const bytes = Buffer.from(originals.get(name) as Buffer);
        const most = name === 'model.safetensors' ? 8_000 : bytes.length;
        for (const [place, byte] of changes) bytes[place % Math.min(most, bytes.length)] = byte;
        return { name, bytes: end === undefined ? bytes : bytes.subarray(0, end % (bytes.length + 1)) };
      });
    let tried = 0;
    let last: Promise<void> = Promise.resolve();
    const refused = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(fc.oneof(changed, header, spoiled), ({ name, bytes }) => {
        last = withFile(name, bytes, async () => {
          const said = await opened();
          refused.set(said, (refused.get(said) ?? 0) + 1);
          tried += 1;
        });
        return last;
      }),
      { numRuns: 10_000_000, interruptAfterTimeLimit: FUZZ_MS, markInterruptAsFailure: false },
    );
    // The interrupted one is still at work in the folder that is about to go.
    await last;
    if (FUZZ_MS > 60_000) console.log(`${tried} folders:`, Object.fromEntries(refused));
    expect(tried).toBeGreaterThan(20);
  },
  FUZZ_MS + 60_000,
);
