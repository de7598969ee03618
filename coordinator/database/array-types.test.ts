import { types } from 'pg';
import { expect, test } from 'vitest';
import { arrayTypes } from './array-types.ts';

const OID = { bytes: 1001, texts: 1009 };

test.each([
  ['bytes', '{}'],
  ['bytes', '{"\\\\x"}'],
  ['bytes', '{"\\\\x00ff","\\\\x","\\\\x0a"}'],
  ['bytes', '{"\\\\x00",NULL,"\\\\x01"}'],
  ['bytes', '{NULL}'],
  ['bytes', '{{"\\\\x00"},{"\\\\x01"}}'],
  // With bytea_output = escape.
  ['bytes', '{abc,"\\\\\\\\x41"}'],
  ['texts', '{}'],
  ['texts', '{settled:job_1,settled:job_2}'],
  ['texts', '{"a,b","","say \\"hi\\"","back\\\\slash"}'],
  ['texts', '{one,NULL,"NULL"}'],
  ['texts', '{{a,b},{c,d}}'],
  ['texts', '{ünï,コード}'],
] as const)('an array of %s is read as by the library: %s', (kind, text) => {
  const read = arrayTypes.getTypeParser(OID[kind], 'text');
  expect(read(text)).toEqual(types.getTypeParser(OID[kind], 'text')(text));
});

test('other types have the reader of the library', () => {
  expect(arrayTypes.getTypeParser(23, 'text')).toBe(types.getTypeParser(23, 'text'));
  expect(arrayTypes.getTypeParser(OID.bytes, 'binary')).toBe(
    types.getTypeParser(OID.bytes, 'binary'),
  );
});
