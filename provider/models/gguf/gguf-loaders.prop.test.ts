import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { setting } from '#bus-schemas/settings/settings.ts';
import { ModelError } from '../model-error.ts';
import { promptsOf } from '../model-folder-under-test.ts';
import { ggufBytes, textBytes, u32, u64 } from './gguf-file-under-test.ts';
import { importGguf } from './import-gguf.ts';
import { FORMAT, smallFacts, smallTensors } from './small-gguf-under-test.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dinf-gguf-'));
});
afterAll(() => rm(folder, { recursive: true }));

const small = ggufBytes(smallFacts, smallTensors);

/** Returns `imported`, or the code of the ModelError. Any other error is a bug and is thrown. */
async function outcomeOf(bytes: Uint8Array): Promise<{ code: string; message: string }> {
  const file = join(folder, 'model.gguf');
  const to = join(folder, 'model');
  await writeFile(file, bytes);
  try {
    await importGguf({ file, to });
    await promptsOf(to);
    return { code: 'imported', message: '' };
  } catch (error) {
    if (error instanceof ModelError) return error;
    throw error;
  } finally {
    await rm(to, { recursive: true, force: true });
  }
}

test('the unchanged file is imported', async () =>
  expect(await outcomeOf(small)).toMatchObject({ code: 'imported' }));

describe('a hostile header is refused with the reason:', () => {
  const STRING = 8;
  const LIST = 9;
  const U8 = 0;
  const header = (tensors: number | bigint, facts: number | bigint, ...parts: Uint8Array[]) =>
    Buffer.concat([Buffer.from('GGUF'), u32(3), u64(tensors), u64(facts), ...parts]);
  const fact = (type: number, ...value: Uint8Array[]) =>
    Buffer.concat([textBytes('key'), u32(type), ...value]);
  const tensor = (name: string, offset: number | bigint, ...shape: (number | bigint)[]) =>
    Buffer.concat([
      textBytes(name),
      u32(shape.length),
      ...shape.map(u64),
      u32(FORMAT.F32),
      u64(offset),
    ]);
  const data = Buffer.alloc(256);
  const cases: Record<string, [Buffer, RegExp]> = {
    'another format': [Buffer.from('PK\u0003\u0004'.repeat(9)), /does not begin with "GGUF"/],
    'an old version': [Buffer.concat([Buffer.from('GGUF'), u32(1), data]), /version is 1/],
    'too many tensors': [header(2n ** 63n, 0, data), /number of tensors is 9223372036854775808/],
    'too many entries': [header(0, 2n ** 40n, data), /number of metadata entries/],
    'entries that are not there': [header(0, 4_000), /does not end within the file/],
    'tensors that are not there': [header(200_000, 0), /does not end within the file/],
    'a text of astronomic length': [header(0, 1, u64(2n ** 60n), data), /length of the name/],
    'a text beyond the file': [
      header(0, 1, fact(STRING, u64(4_000_000))),
      /does not end within the file/,
    ],
    'a text that is not UTF-8': [
      header(0, 1, fact(STRING, u64(2), Buffer.of(0xc3, 0x28))),
      /not valid UTF-8/,
    ],
    'a list of astronomic length': [
      header(0, 1, fact(LIST, u32(U8), u64(2n ** 40n))),
      /number of items of key/,
    ],
    'a list that is not there': [
      header(0, 1, fact(LIST, u32(U8), u64(4_000_000))),
      /does not end within the file/,
    ],
    'too many items in all lists': [
      header(
        0,
        2,
        fact(LIST, u32(U8), u64(3_000_000), Buffer.alloc(3_000_000)),
        textBytes('other'),
        u32(LIST),
        u32(U8),
        u64(2_000_000),
        Buffer.alloc(2_000_000),
      ),
      /more than 4000000 items together/,
    ],
    'a list of lists': [header(0, 1, fact(LIST, u32(LIST), u64(1), data)), /list of lists/],
    'an unknown type of value': [header(0, 1, fact(77, data)), /unknown value type 77/],
    'an entry twice': [header(0, 2, fact(U8, Buffer.of(1)), fact(U8, Buffer.of(1))), /twice/],
    'no dimension': [header(1, 0, tensor('a', 0), data), /0 dimensions/],
    'five dimensions': [header(1, 0, tensor('a', 0, 1, 1, 1, 1, 1), data), /5 dimensions/],
    'a shape of astronomic size': [
      header(1, 0, tensor('a', 0, 2n ** 50n, 2n ** 50n), data),
      /beyond the end of the file/,
    ],
    'a tensor past the end': [
      header(1, 0, tensor('a', 2n ** 52n, 4), data),
      /a extends beyond the end of the file/,
    ],
    'overlapping tensors': [
      header(2, 0, tensor('a', 0, 8), tensor('b', 16, 8), data),
      /a and b overlap/,
    ],
    'a tensor twice': [header(2, 0, tensor('a', 0, 4), tensor('a', 64, 4), data), /twice/],
  };
  test.each(Object.entries(cases))('%s', async (_, [bytes, message]) =>
    expect(await outcomeOf(bytes)).toMatchObject({
      code: 'malformed_gguf',
      message: expect.stringMatching(message),
    }),
  );

  test('an alignment that is no power of two', async () => {
    const bytes = ggufBytes({ ...smallFacts, 'general.alignment': { int: 48 } }, smallTensors);
    expect(await outcomeOf(bytes)).toMatchObject({ code: 'malformed_gguf' });
  });

  test('an entry named like an inherited property changes no object', async () => {
    const bytes = ggufBytes({ ...smallFacts, ['__proto__']: 'polluted' }, smallTensors);
    expect(await outcomeOf(bytes)).toMatchObject({ code: 'imported' });
    expect(Object.getPrototypeOf({})).toBe(Object.prototype);
  });
});

/** The test runs for a few seconds by default, and longer under `npm run fuzz`. */
const FUZZ_MS = 1_000 * (setting('DINF_FUZZ_SECONDS') ?? 6);
/** Most changes go into the header, because a changed weight is only another number. */
const HEADER_BYTES = 3_600;

/** Changes some bytes, or cuts the file. */
const spoiled = fc
  .tuple(
    fc.array(fc.tuple(fc.nat(small.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
    fc.option(fc.nat(small.length), { nil: undefined, freq: 5 }),
    fc.integer({ min: 0, max: 9 }),
  )
  .map(([changes, end, kind]) => {
    const bytes = Buffer.from(small);
    for (const [at, byte] of changes)
      bytes[kind === 0 ? at : at % HEADER_BYTES] =
        kind < 5 ? byte : (bytes[at] ?? 0) ^ (1 << (byte % 8));
    return end === undefined ? bytes : bytes.subarray(0, end);
  });

/** Replaces one metadata entry by another value. */
const changed = fc
  .tuple(
    fc.constantFrom(...Object.keys(smallFacts)),
    fc.oneof(
      fc.string({ maxLength: 12 }),
      fc.boolean(),
      fc.nat(0xffff_ffff).map((value) => ({ int: value })),
      fc.float().map((value) => ({ float: value })),
      fc.array(fc.string({ maxLength: 6 }), { maxLength: 120 }),
      fc.array(fc.nat(200).map((value) => ({ int: value }))),
    ),
  )
  .map(([key, value]) => ggufBytes({ ...smallFacts, [key]: value }, smallTensors));

test(
  'with any change to its bytes, a file is imported or refused with a reason',
  async () => {
    let tried = 0;
    let last: Promise<void> = Promise.resolve();
    const outcomes = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(fc.oneof(spoiled, changed), (bytes) => {
        last = outcomeOf(bytes).then(({ code }) => {
          outcomes.set(code, (outcomes.get(code) ?? 0) + 1);
          tried += 1;
        });
        return last;
      }),
      { numRuns: 10_000_000, interruptAfterTimeLimit: FUZZ_MS, markInterruptAsFailure: false },
    );
    // An interrupted run still uses the folder, which is removed after the test.
    await last;
    if (FUZZ_MS > 60_000) console.log(`${tried} files:`, Object.fromEntries(outcomes));
    expect(tried).toBeGreaterThan(20);
  },
  FUZZ_MS + 60_000,
);
