import { isObject } from '../../models/json.ts';

/** Any text without a tag of GLM in it, for arguments that no schema describes. */
const FREE_TEXT = '([^<] | "<" [^/])*';

/**
 * The arguments of a call of GLM, in XGrammar's structural tag format: each one has a tag for its name
 * and one for its value. Arguments follow in the order of the schema, and required ones must be there.
 * A text stands as it is, and every other value is JSON.
 */
export function glmArguments(schema: unknown, separator: string): object {
  const { properties, required } = isObject(schema) ? schema : {};
  const named = Object.entries(isObject(properties) ? properties : {});
  if (named.length === 0) return { type: 'grammar', grammar: freeArguments(separator) };
  const isRequired = (name: string) => Array.isArray(required) && required.includes(name);
  const elements = named.map(([name, of]) => {
    const argument = {
      type: 'tag',
      begin: `<arg_key>${name}</arg_key>${separator}<arg_value>`,
      content: valueFormat(of),
      end: `</arg_value>${separator}`,
    };
    return isRequired(name) ? argument : { type: 'or', elements: [argument, NOTHING] };
  });
  return { type: 'sequence', elements };
}

const NOTHING = { type: 'grammar', grammar: 'root ::= ""' };

function valueFormat(schema: unknown): object {
  if (!isObject(schema)) return { type: 'any_text' };
  const { type, enum: values, const: only } = schema;
  const texts = only === undefined ? values : [only];
  if (Array.isArray(texts) && texts.length > 0 && texts.every((text) => typeof text === 'string'))
    return { type: 'or', elements: texts.map((value) => ({ type: 'const_string', value })) };
  return type === 'string' ? { type: 'any_text' } : { type: 'json_schema', json_schema: schema };
}

function freeArguments(separator: string): string {
  const line = JSON.stringify(separator);
  return [
    'root ::= argument*',
    `argument ::= "<arg_key>" [^<\\n]+ "</arg_key>" ${line} "<arg_value>" text "</arg_value>" ${line}`,
    `text ::= ${FREE_TEXT}`,
  ].join('\n');
}
