import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as everything from '../mod.ts';
import { type MessageKind, services } from '../mod.ts';
import { setting } from '../settings/settings.ts';
import { kinds } from './kinds.ts';
import { samplesOf } from './sample.ts';

/**
 * Golden vectors: the bytes of every message. If a vector changes, running programs can no longer
 * read the message; it needs a new version instead.
 * The first vector of a kind has the name of the kind; `name 2` and so on cover the other branches
 * of its unions. A file holds the vectors of the kinds whose names begin alike, in the order of the
 * names, so that two changes seldom meet in one place. DINF_WRITE_VECTORS=1 adds the missing vectors; it
 * never changes an existing one.
 */
const FOLDER = join(import.meta.dirname, 'messages');
const fileOf = (name: string): string => `${/^[a-z-]+/.exec(name)?.[0]}.json`;

interface Vector {
  readonly value: unknown;
  readonly hex: string;
}

const toJson = (_key: string, value: unknown) =>
  value instanceof Uint8Array ? { $bytes: Buffer.from(value).toString('hex') } : value;
const fromJson = (_key: string, value: unknown) =>
  typeof value === 'object' && value !== null && '$bytes' in value
    ? new Uint8Array(Buffer.from(String(value.$bytes), 'hex'))
    : value;

/** Messages that got optional fields after their vectors were written, each with a name for them. */
const later: readonly (readonly [string, MessageKind<unknown>])[] = [
  ['conditions', everything.Beat],
  ['conditions', everything.Capacity],
  ['before', services.accounts.listBatches.request],
  ['batches', everything.Hello],
  ['batches', everything.Beat],
  ['choices', services.settlement.hold.request],
  ['choices', services.settlement.hold.reply],
  ['prefetches', everything.Hello],
  ['prefetches', everything.Beat],
  ['reasons', services.routing.reserve.reply],
  ['reasons', services.telemetry.generation.reply],
  ['reasons', everything.JobEnded],
  ['chip', services.routing.records.reply],
  ['notes', services.settlement.credit.request],
  ['notes', services.settlement.reward.request],
  ['notes', services.settlement.statement.reply],
  ['memory', services.routing.explain.reply],
  ['names', services.trust.machines.reply],
  ['promotions', services.settlement.rewards.reply],
  ['prefixes', everything.Hello],
  ['prefixes', everything.Beat],
  ['prefixes', everything.InferenceRequest],
  ['groups', everything.JobOrder],
  ['groups', everything.Receipts],
  ['groups', everything.Out],
  ['groups', services.settlement.receipt.reply],
];

const needed = [
  ...kinds.flatMap((kind) =>
    samplesOf(kind.schema).map((value, index) => ({
      name: index === 0 ? kind.kind : `${kind.kind} ${index + 1}`,
      kind,
      value,
    })),
  ),
  ...later.flatMap(([fields, kind]) =>
    samplesOf(kind.schema).map((value, index) => ({
      name: `${kind.kind} with ${fields} ${index + 1}`,
      kind,
      value,
    })),
  ),
];

const vectors: Record<string, Vector> = {};
for (const file of readdirSync(FOLDER))
  Object.assign(vectors, JSON.parse(readFileSync(join(FOLDER, file), 'utf8'), fromJson));
if (setting('DINF_WRITE_VECTORS')) {
  for (const { name, kind, value } of needed)
    vectors[name] ??= { value, hex: Buffer.from(kind.encode(value)).toString('hex') };
  const sorted = Object.entries(vectors).toSorted(([a], [b]) => (a < b ? -1 : 1));
  for (const [file, entries] of Map.groupBy(sorted, ([name]) => fileOf(name)))
    writeFileSync(
      join(FOLDER, file),
      `${JSON.stringify(Object.fromEntries(entries), toJson, 1)}\n`,
    );
}

describe('golden vectors', () => {
  test('exist for every branch of every kind of message, and for nothing else', () => {
    expect(Object.keys(vectors).toSorted()).toEqual(needed.map(({ name }) => name).toSorted());
  });

  test.each(needed.map(({ name, kind }) => [name, kind] as const))(
    '%s is encoded and decoded as before',
    (name, kind) => {
      const vector = vectors[name] as Vector;
      expect(Buffer.from(kind.encode(vector.value)).toString('hex')).toBe(vector.hex);
      expect(kind.decode(new Uint8Array(Buffer.from(vector.hex, 'hex')))).toMatchObject(
        vector.value as object,
      );
    },
  );
});
