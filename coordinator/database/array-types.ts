import { type CustomTypesConfig, types } from 'pg';

// The types of the library lack them.
const BYTEA_ARRAY: number = 1001;
const TEXT_ARRAY: number = 1009;
/** An array of texts has other characters only if a value is quoted, absent or an array. */
const PLAIN_TEXTS = /^\{[^"\\{}]+\}$/;

/**
 * Reads arrays of bytes and texts in a few steps. The reader of the library makes an object for each character,
 * which was a fifth of the memory that a coordinator used for requests. It still reads what has an unusual form.
 */
export const arrayTypes: CustomTypesConfig = {
  getTypeParser: (oid, format = 'text') => {
    const usual = types.getTypeParser(oid, format);
    if (format !== 'text') return usual;
    if (oid === BYTEA_ARRAY) return (text: string) => bytesIn(text) ?? usual(text);
    if (oid === TEXT_ARRAY) return (text: string) => textsIn(text) ?? usual(text);
    return usual;
  },
};

/** `{"\\x00ff","\\x"}` has two values. Undefined for any other form. */
function bytesIn(text: string): Buffer[] | undefined {
  if (!text.startsWith('{"\\\\x') || text.includes('NULL')) return undefined;
  const values = text.slice(2, -2).split('","');
  return values.map((value) => Buffer.from(value.slice(3), 'hex'));
}

const textsIn = (text: string): string[] | undefined =>
  PLAIN_TEXTS.test(text) && !text.includes('NULL') ? text.slice(1, -1).split(',') : undefined;
