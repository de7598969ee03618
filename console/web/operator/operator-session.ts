import { ServerSession } from '../state/server-session.ts';

/** The session of an operator, for all of the operators' pages. */
export const operatorSession = new ServerSession<{ readonly operator: string }>(
  '/operator/session',
);
