import { Type } from '#bus-schemas/type.ts';

/** Why an operator changes something of an account. */
export const Reason = Type.String({
  minLength: 1,
  maxLength: 200,
  description: 'For operators. It is in the audit log, and the account does not see it.',
});
