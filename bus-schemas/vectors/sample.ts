import type { TSchema } from 'typebox';

/** One value that fits a schema, always the same one: what golden vectors are first made from. */

interface Loose {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Loose[];
  readonly properties?: Readonly<Record<string, Loose>>;
  readonly patternProperties?: Readonly<Record<string, Loose>>;
  readonly items?: Loose;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly minLength?: number;
  readonly 'x-bytes'?: { readonly min: number; readonly max: number };
}

/** By the beginning of the pattern that an id must match. */
const IDS: readonly [string, string][] = [
  ['^job_', 'job_0123456789abcdefghijkl'],
  ['^in_', 'in_0123456789ab'],
  ['^s_', 's_0123456789ab'],
  ['^A[', `A${'B'.repeat(55)}`],
  ['^U[', `U${'C'.repeat(55)}`],
  ['^acct_', 'acct_0123456789abcdef'],
  ['^key_', 'key_0123456789abcdef'],
  ['^[A-Za-z0-9]', 'sim-llama-8b-q4'],
];

export function sampleOf(schema: TSchema): unknown {
  return sample(schema as Loose);
}

function sample(schema: Loose): unknown {
  const bytes = schema['x-bytes'];
  if (bytes) return Uint8Array.from({ length: Math.max(bytes.min, 4) }, (_, index) => index);
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  if (schema.anyOf) return sample(schema.anyOf[0] as Loose);
  switch (schema.type) {
    case 'object':
      if (schema.patternProperties) return { busy: sample(Object.values(schema.patternProperties)[0] as Loose) };
      return Object.fromEntries(Object.entries(schema.properties ?? {}).map(([name, field]) => [name, sample(field)]));
    case 'array':
      return [sample(schema.items as Loose)];
    case 'string':
      return textFor(schema);
    case 'integer':
      return Math.max(schema.minimum ?? 0, 7);
    case 'number':
      return Math.max(schema.minimum ?? 0, 1.5);
    case 'boolean':
      return true;
    case 'null':
      return null;
    default:
      throw new Error(`no sample for ${JSON.stringify(schema)}`);
  }
}

function textFor({ pattern, minLength = 0 }: Loose): string {
  if (pattern === undefined) return 'words é🦙' + '.'.repeat(minLength);
  const known = IDS.find(([start]) => pattern.startsWith(start));
  if (known === undefined) throw new Error(`no sample for the pattern ${pattern}`);
  return known[1];
}
