import { expect, test } from 'vitest';
import { CodedError } from './coded-error.ts';

class DiskError extends CodedError<'full' | 'gone'> {
  override readonly fault = 'dependency';
}

test('a coded error has the name of its class, its code, its cause and whose fault it is', () => {
  const cause = new Error('ENOSPC');
  const error = new DiskError('full', 'the disk is full', { cause });
  expect(error).toBeInstanceOf(Error);
  expect({ ...error, name: error.name, message: error.message, cause: error.cause }).toEqual({
    name: 'DiskError',
    code: 'full',
    fault: 'dependency',
    message: 'the disk is full',
    cause,
  });
});

test('without a statement, an error is the fault neither of the user nor of a dependency', () => {
  class Plain extends CodedError<'wrong'> {}
  expect(new Plain('wrong', 'wrong').fault).toBe('other');
});
