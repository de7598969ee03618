import { expect, test } from 'vitest';
import { checkerOf as browsers } from '../platform/browser.ts';
import { Type } from '../type.ts';
import { checkerOf } from './compiled-checker.ts';

const schema = Type.Object({ name: Type.String(), tokens: Type.Integer({ minimum: 1 }) });

test.each([
  ['compiled', checkerOf(schema)],
  ['in a browser', browsers(schema)],
])(
  'a check that is %s returns what fits, and names the field at fault without its value',
  (_, checks) => {
    const value = { name: 'a', tokens: 1 };
    expect(checks.Parse(value)).toBe(value);
    expect(checks.Errors(value)).toEqual([]);
    const wrong = { name: 'secret', tokens: 0 };
    expect(checks.Check(wrong)).toBe(false);
    expect(checks.Errors(wrong)).toMatchObject([{ instancePath: '/tokens' }]);
    expect(() => checks.Parse(wrong)).toThrow(/^\/tokens .*1/);
    expect(() => checks.Parse(wrong)).not.toThrow(/secret/);
    expect(() => checks.Parse(undefined)).toThrow('the value');
  },
);
