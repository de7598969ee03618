import type { TSchema } from 'typebox';
import type { Keywords } from '../compiled/message-shape.ts';

/** Values that fit a schema, always the same ones. Golden vectors are made from them. */

/** Sample ids, by the beginning of the pattern that the id must match. */
const IDS: readonly [string, string][] = [
  ['^job_', 'job_0123456789abcdefghijkl'],
  ['^in_', 'in_0123456789ab'],
  ['^sess_', 'sess_0123456789abcdef'],
  ['^s_', 's_0123456789ab'],
  ['^A[', `A${'B'.repeat(55)}`],
  ['^U[', `U${'C'.repeat(55)}`],
  ['^[A-Za-z0-9_-]{10}$', '0123456789'],
  ['^dep_', 'dep_0123456789abcdefghij'],
  ['^acct_', 'acct_0123456789abcdef'],
  ['^key_', 'key_0123456789abcdef'],
  ['^(?:batch', 'batch_0123456789abcdefghijklmn'],
  ['^(?:resp', 'resp_job_0123456789abcdefghijkl'],
  ['^[A-Za-z0-9]', 'sim-llama-8b-q4'],
  ['^[a-z0-9-]', 'x25519-sha256-chacha20poly1305'],
  ['^[0-9A-Za-z.+-]', '0.1.0'],
  ['^[A-Za-z0-9_-]', 'welcome-2026'],
  ['^[B-Z]', 'WDJBMJHT'],
  ['^https?', 'https://example.com/done'],
  ['^[0-9]', '42'],
];

const HEXADECIMAL = /^\^\[0-9a-f\]\{(\d+)\}\$$/;

/**
 * Returns as many values as the widest union has branches. Value n takes branch n of every union.
 */
export function samplesOf(schema: TSchema): readonly unknown[] {
  return Array.from({ length: branchesOf(schema as Keywords) }, (_, branch) =>
    sample(schema as Keywords, branch),
  );
}

function branchesOf(schema: Keywords): number {
  const own = schema.anyOf?.length ?? schema.enum?.length ?? 1;
  const inner = [
    ...(schema.anyOf ?? []),
    ...Object.values(schema.properties ?? {}),
    ...(schema.items ? [schema.items] : []),
  ];
  return Math.max(own, ...inner.map(branchesOf));
}

function sample(schema: Keywords, branch: number): unknown {
  const bytes = schema['x-bytes'];
  if (bytes) return Uint8Array.from({ length: Math.max(bytes.min, 4) }, (_, index) => index);
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[Math.min(branch, schema.enum.length - 1)];
  if (schema.anyOf)
    return sample(schema.anyOf[Math.min(branch, schema.anyOf.length - 1)] as Keywords, branch);
  switch (schema.type) {
    case 'object':
      if (schema.patternProperties)
        return { busy: sample(Object.values(schema.patternProperties)[0] as Keywords, branch) };
      return Object.fromEntries(
        Object.entries(schema.properties ?? {}).map(([name, field]) => [
          name,
          sample(field, branch),
        ]),
      );
    case 'array':
      return [sample(schema.items as Keywords, branch)];
    case 'string':
      return textFor(schema);
    case 'integer':
      return Math.max(schema.minimum ?? 0, 7);
    case 'number':
      return Math.max(schema.minimum ?? 0, Math.min(schema.maximum ?? 1.5, 1.5));
    case 'boolean':
      return true;
    case 'null':
      return null;
    case undefined:
      return 'anything';
    default:
      throw new Error(`there is no sample value for the schema ${JSON.stringify(schema)}`);
  }
}

function textFor({ pattern, minLength = 0 }: Keywords): string {
  if (pattern === undefined) return `words é🦙${'.'.repeat(minLength)}`;
  const digits = HEXADECIMAL.exec(pattern)?.[1];
  if (digits !== undefined) return 'a1'.repeat(Number(digits) / 2);
  const known = IDS.find(([start]) => pattern.startsWith(start));
  if (known === undefined) throw new Error(`there is no sample id for the pattern ${pattern}`);
  return known[1];
}
