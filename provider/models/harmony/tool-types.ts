import { isObject, type JsonObject } from '../json.ts';

/**
 * Writes the parameters of a function as a TypeScript type, exactly as `openai-harmony` does: the
 * model was trained with that form. `indent` is the white space before each line.
 */
export function typeOf(schema: unknown, indent = ''): string {
  if (!isObject(schema)) return 'any';
  const { oneOf, type } = schema;
  if (Array.isArray(oneOf)) return oneOf.map((each) => variantOf(each, indent)).join('');
  if (Array.isArray(type) && type.some((name) => typeof name === 'string'))
    return type
      .filter((name) => typeof name === 'string')
      .map((name) => (name === 'integer' ? 'number' : name))
      .join(' | ');
  switch (type) {
    case 'object':
      return objectType(schema, indent);
    case 'string':
      return enumOf(schema).length > 0 ? enumOf(schema).map(quoted).join(' | ') : 'string';
    case 'number':
    case 'integer':
      return 'number';
    case 'boolean':
      return 'boolean';
    case 'array':
      return 'items' in schema ? `${typeOf(schema['items'], indent)}[]` : 'Array<any>';
    default:
      return 'any';
  }
}

const quoted = (text: unknown): string => `"${text}"`;
const enumOf = ({ enum: values }: JsonObject): string[] =>
  Array.isArray(values) ? values.filter((value) => typeof value === 'string') : [];
const hasEnum = ({ enum: values }: JsonObject): boolean =>
  Array.isArray(values) && values.length > 0;
const textIn = (schema: JsonObject, name: string): string | undefined =>
  typeof schema[name] === 'string' ? schema[name] : undefined;

/** A default value; `quotesEnums` is true if a value of an enumeration stands in quotes. */
function defaultOf(schema: JsonObject, quotesEnums = false): string | undefined {
  const { default: value } = schema;
  if (value === undefined) return undefined;
  const isPlain = typeof value === 'string' && hasEnum(schema) && !quotesEnums;
  return `default: ${isPlain ? value : typeof value === 'string' ? quoted(value) : JSON.stringify(value)}`;
}

function nullableType(schema: unknown, indent: string): string {
  const type = typeOf(schema, indent);
  return isObject(schema) && schema['nullable'] === true && !type.includes('null')
    ? `${type} | null`
    : type;
}

const comment = (...parts: (string | undefined)[]): string => {
  const present = parts.filter((part) => part !== undefined);
  return present.length === 0 ? '' : ` // ${present.join(' ')}`;
};

/** One alternative of a type that is not a property. */
function variantOf(schema: unknown, indent: string): string {
  const about = isObject(schema) ? schema : {};
  const notes = comment(textIn(about, 'description'), defaultOf(about, true));
  return `\n${indent} | ${nullableType(schema, `${indent}   `)}${notes}`;
}

function objectType(schema: JsonObject, indent: string): string {
  const { properties, required } = schema;
  const description = textIn(schema, 'description');
  const isRequired = (name: string) => Array.isArray(required) && required.includes(name);
  const lines = Object.entries(isObject(properties) ? properties : {}).map(([name, about]) =>
    propertyOf(isObject(about) ? about : {}, {
      label: `${indent}${name}${isRequired(name) ? '' : '?'}:`,
      indent,
    }),
  );
  const begin = description === undefined ? '' : `${indent}// ${description}\n`;
  return `${begin}{\n${lines.join('')}${indent}}`;
}

interface Place {
  readonly label: string;
  readonly indent: string;
}

function propertyOf(about: JsonObject, { label, indent }: Place): string {
  const line = (text: string) => `${indent}// ${text}\n`;
  const title = textIn(about, 'title');
  const description = textIn(about, 'description');
  const { examples, oneOf } = about;
  const titleLines = title === undefined ? '' : `${line(title)}${indent}//\n`;
  const exampleLines =
    Array.isArray(examples) && examples.length > 0
      ? line('Examples:') +
        examples
          .filter((example) => typeof example === 'string')
          .map((example) => line(`- ${quoted(example)}`))
          .join('')
      : '';
  if (Array.isArray(oneOf))
    return titleLines + exampleLines + alternatives(about, oneOf, { label, indent });
  const notes = 'oneOf' in about ? '' : comment(defaultOf(about));
  const descriptionLine = description === undefined || 'oneOf' in about ? '' : line(description);
  const type = nullableType(about, `${indent}    `);
  return `${titleLines}${descriptionLine}${exampleLines}${label} ${type},${notes}\n`;
}

/** A property with several types, each on a line of its own. */
function alternatives(
  about: JsonObject,
  oneOf: readonly unknown[],
  { label, indent }: Place,
): string {
  const description = textIn(about, 'description');
  const first = isObject(oneOf[0]) ? textIn(oneOf[0], 'description') : undefined;
  const isAbove = description !== undefined && description !== first;
  const value = defaultOf(about);
  const above = [isAbove ? description : undefined, value]
    .filter((text) => text !== undefined)
    .map((text) => `${indent}// ${text}\n`);
  const variants = oneOf.map((each, index) => {
    const variant = isObject(each) ? each : {};
    const own = textIn(variant, 'description');
    const isShown = own !== description && !(index === 0 && isAbove);
    const notes = comment(isShown ? own : undefined, defaultOf(variant));
    return `${indent} | ${nullableType(each, `${indent}   `)}${notes}\n`;
  });
  return `${above.join('')}${label}\n${variants.join('')}${indent},\n`;
}
