import type { TSchema } from 'typebox';

/**
 * What compiled codecs need of a schema. `other` stands for everything that they do not cover: a value
 * with such a part is left to the reference codec.
 */
export type Shape =
  /** `version` only for a whole message: the number in the field `v`, which comes first. */
  | { readonly is: 'object'; readonly fields: readonly Field[]; readonly version?: number }
  | {
      readonly is: 'record';
      readonly values: Shape;
      readonly pattern: string;
      readonly max: number;
    }
  | { readonly is: 'array'; readonly items: Shape; readonly min: number; readonly max: number }
  | {
      readonly is: 'text';
      readonly min: number;
      readonly max: number;
      readonly pattern: string | undefined;
    }
  | { readonly is: 'number'; readonly min: number; readonly max: number; readonly isWhole: boolean }
  | { readonly is: 'boolean' }
  | { readonly is: 'null' }
  | { readonly is: 'bytes'; readonly min: number; readonly max: number }
  /** One of some texts, each of fewer than 32 ASCII characters. */
  | { readonly is: 'choice'; readonly texts: readonly string[] }
  | { readonly is: 'constant'; readonly value: number | boolean }
  | { readonly is: 'union'; readonly branches: readonly Shape[] }
  | { readonly is: 'other' };

export interface Field {
  readonly name: string;
  readonly shape: Shape;
  readonly isRequired: boolean;
}

/** The keywords of the schemas of messages. A schema with any other one is not covered. */
export interface Keywords {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Keywords[];
  readonly properties?: Readonly<Record<string, Keywords>>;
  readonly required?: readonly string[];
  readonly patternProperties?: Readonly<Record<string, Keywords>>;
  readonly maxProperties?: number;
  readonly items?: Keywords;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly 'x-bytes'?: { readonly min: number; readonly max: number };
}

const OTHER: Shape = { is: 'other' };
/** Longest text whose length fits into the first byte of its encoding. */
const MAX_SHORT_TEXT = 31;

/** The shape of a message, which is an object or a union of objects. */
export function messageShapeOf(schema: TSchema, version: number): Shape {
  const versioned = (shape: Shape): Shape => {
    if (shape.is === 'union') return { is: 'union', branches: shape.branches.map(versioned) };
    const isFree = shape.is === 'object' && shape.fields.every(({ name }) => name !== 'v');
    return isFree ? { ...shape, version } : OTHER;
  };
  return versioned(new Shapes().of(schema as Keywords));
}

class Shapes {
  /** One shape for each schema, so that one function is generated for it. */
  readonly #known = new Map<Keywords, Shape>();

  of(schema: Keywords): Shape {
    const known = this.#known.get(schema);
    if (known !== undefined) return known;
    const shape = this.#new(schema);
    this.#known.set(schema, shape);
    return shape;
  }

  #new(schema: Keywords): Shape {
    const { min, max } = schema['x-bytes'] ?? {};
    if (min !== undefined && max !== undefined)
      return only(schema, ['x-bytes', '~refine', '~unsafe'], { is: 'bytes', min, max });
    if (schema.anyOf) return this.#union(schema, schema.anyOf);
    if (schema.enum) return only(schema, ['enum'], choice(schema.enum));
    if (schema.const !== undefined) return only(schema, ['const', 'type'], constant(schema.const));
    switch (schema.type) {
      case 'object':
        return schema.patternProperties ? this.#record(schema) : this.#object(schema);
      case 'array':
        return this.#array(schema);
      case 'string':
        return text(schema);
      case 'integer':
      case 'number':
        return number(schema);
      case 'boolean':
      case 'null':
        return only(schema, ['type'], { is: schema.type });
      default:
        return OTHER;
    }
  }

  #object(schema: Keywords): Shape {
    const { properties = {}, required = [] } = schema;
    if (required.some((name) => !Object.hasOwn(properties, name))) return OTHER;
    const names = Object.keys(properties);
    if (!names.every(isShort) || names.some((name) => name in Object.prototype)) return OTHER;
    return only(schema, ['type', 'properties', 'required'], {
      is: 'object',
      fields: Object.entries(properties).map(([name, field]) => ({
        name,
        shape: this.of(field),
        isRequired: required.includes(name),
      })),
    });
  }

  #record(schema: Keywords): Shape {
    const [entry, ...more] = Object.entries(schema.patternProperties ?? {});
    if (entry === undefined || more.length > 0) return OTHER;
    const [pattern, values] = entry;
    return only(schema, ['type', 'patternProperties', 'maxProperties'], {
      is: 'record',
      pattern,
      values: this.of(values),
      max: schema.maxProperties ?? Number.POSITIVE_INFINITY,
    });
  }

  #array(schema: Keywords): Shape {
    if (schema.items === undefined) return OTHER;
    return only(schema, ['type', 'items', 'minItems', 'maxItems'], {
      is: 'array',
      items: this.of(schema.items),
      min: schema.minItems ?? 0,
      max: schema.maxItems ?? Number.POSITIVE_INFINITY,
    });
  }

  #union(schema: Keywords, anyOf: readonly Keywords[]): Shape {
    return only(schema, ['anyOf'], {
      is: 'union',
      branches: anyOf.map((branch) => this.of(branch)),
    });
  }
}

function text(schema: Keywords): Shape {
  const { minLength: min = 0, maxLength: max = Number.POSITIVE_INFINITY, pattern } = schema;
  // A schema counts what readers see as one character. Only for 0 and 1, it is the same as `length`.
  if (min > 1) return OTHER;
  return only(schema, ['type', 'minLength', 'maxLength', 'pattern'], {
    is: 'text',
    min,
    max,
    pattern,
  });
}

function number(schema: Keywords): Shape {
  return only(schema, ['type', 'minimum', 'maximum'], {
    is: 'number',
    isWhole: schema.type === 'integer',
    min: schema.minimum ?? Number.NEGATIVE_INFINITY,
    max: schema.maximum ?? Number.POSITIVE_INFINITY,
  });
}

function constant(value: unknown): Shape {
  if (typeof value === 'number' || typeof value === 'boolean') return { is: 'constant', value };
  return choice([value]);
}

function choice(values: readonly unknown[]): Shape {
  const texts = [...new Set(values)].filter((value) => typeof value === 'string');
  return values.every((value) => typeof value === 'string' && isShort(value))
    ? { is: 'choice', texts }
    : OTHER;
}

const isShort = (text: string): boolean =>
  text.length <= MAX_SHORT_TEXT && /^[\x20-\x7e]+$/.test(text);

/** The encoding of a text for which `isShort` is true. */
export const shortText = (text: string): readonly number[] => [
  0xa0 | text.length,
  ...Buffer.from(text),
];

/** Keywords that do not change which values fit. `~kind` and `~optional` are names of TypeBox. */
const NEUTRAL = ['description', 'title', 'examples', 'default', '~kind', '~optional'];

/** The shape, if the schema has no other keywords than these. */
function only(schema: Keywords, keywords: readonly string[], shape: Shape): Shape {
  const names = Object.getOwnPropertyNames(schema);
  return names.every((name) => keywords.includes(name) || NEUTRAL.includes(name)) ? shape : OTHER;
}
