import { isObject, type JsonObject } from '../../models/json.ts';
import { GEMMA4_SIGNS } from './gemma4-signs.ts';

/** Deeper parts of a schema allow any value. */
const MAX_DEPTH = 16;

const quote = JSON.stringify(GEMMA4_SIGNS.quote);

/** Rules that do not depend on a schema, by name. */
const COMMON = [
  // Any text in which the control token does not occur.
  `chars ::= ([^<] | "<"+ [^<|] | "<"+ "|" [^<"])* "<"*`,
  `string ::= ${quote} chars ${quote}`,
  'integer ::= "-"? ("0" | [1-9] [0-9]*)',
  'number ::= integer ("." [0-9]+)? ([eE] [-+]? [0-9]+)?',
  'boolean ::= "true" | "false"',
  'key ::= [A-Za-z0-9_.$-]+',
  'pairs ::= (key ":" any ("," key ":" any)*)?',
  'list ::= "[" (any ("," any)*)? "]"',
  'object ::= "{" pairs "}"',
  'any ::= string | number | boolean | "null" | list | object',
];
const TYPES = ['string', 'integer', 'number', 'boolean', 'null', 'array', 'object'] as const;

/**
 * Writes a JSON schema as a grammar of the arguments that Gemma 4 writes between the outer braces.
 * It keeps types, values of an enumeration, lists and the names of properties, and requires the required
 * ones. Properties follow one another in the order of the alphabet, as in the prompt. Patterns, limits
 * and references are not kept: a part of the schema that uses them allows more.
 */
export function gemma4Arguments(schema: unknown): string {
  const rules = new Rules();
  const root = isObject(schema) ? rules.pairs(schema, 0) : 'pairs';
  return [`root ::= ${root}`, ...rules.lines, ...COMMON].join('\n');
}

class Rules {
  readonly lines: string[] = [];

  #add(expression: string): string {
    const name = `rule${this.lines.length}`;
    this.lines.push(`${name} ::= ${expression}`);
    return name;
  }

  /** The properties of an object, without its braces. */
  pairs({ properties, required }: JsonObject, depth: number): string {
    if (!isObject(properties) || Object.keys(properties).length === 0) return 'pairs';
    const names = Object.keys(properties).sort(alphabetically);
    const isRequired = (name: string) => Array.isArray(required) && required.includes(name);
    // `first` are the properties from here on if none was written before, `further` if one was.
    let [first, further] = ['""', '""'];
    for (const name of names.reverse()) {
      const pair = `${JSON.stringify(`${name}:`)} ${this.#value(properties[name], depth + 1)}`;
      const [skipped, left] = isRequired(name) ? ['', ''] : [` | ${first}`, ` | ${further}`];
      first = this.#add(`${pair} ${further}${skipped}`);
      further = this.#add(`"," ${pair} ${further}${left}`);
    }
    return first;
  }

  #value(schema: unknown, depth: number): string {
    if (!isObject(schema) || depth > MAX_DEPTH) return 'any';
    const { enum: values, const: only, anyOf, oneOf, type } = schema;
    if (only !== undefined) return this.#oneOf([literalOf(only)]);
    if (Array.isArray(values) && values.length > 0) return this.#oneOf(values.map(literalOf));
    const alternatives = anyOf ?? oneOf;
    if (Array.isArray(alternatives) && alternatives.length > 0)
      return this.#oneOf(alternatives.map((item) => this.#value(item, depth + 1)));
    const types = TYPES.filter((name) => [type].flat().includes(name));
    return types.length === 0
      ? 'any'
      : this.#oneOf(types.map((name) => this.#typed(name, schema, depth)));
  }

  #typed(type: (typeof TYPES)[number], schema: JsonObject, depth: number): string {
    switch (type) {
      case 'null':
        return '"null"';
      case 'array': {
        const item = this.#value(schema['items'], depth + 1);
        return this.#add(`"[" (${item} ("," ${item})*)? "]"`);
      }
      case 'object':
        return this.#add(`"{" ${this.pairs(schema, depth)} "}"`);
      case 'string':
      case 'integer':
      case 'number':
      case 'boolean':
        return type;
    }
  }

  #oneOf(expressions: readonly string[]): string {
    return expressions.length === 1
      ? (expressions[0] as string)
      : this.#add(expressions.join(' | '));
  }
}

/** A value as the model writes it; any value in place of an object or a list. */
function literalOf(value: unknown): string {
  if (typeof value === 'string')
    return JSON.stringify(GEMMA4_SIGNS.quote + value + GEMMA4_SIGNS.quote);
  return typeof value === 'object' && value !== null ? 'any' : JSON.stringify(String(value));
}

/** The order of Jinja's filter `dictsort`, with which the template lists properties. */
const alphabetically = (a: string, b: string): number => {
  const [left, right] = [a.toLowerCase(), b.toLowerCase()];
  return left < right ? -1 : left > right ? 1 : 0;
};
