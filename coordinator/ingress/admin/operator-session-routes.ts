import { Type } from '#bus-schemas/type.ts';
import { audited } from '#coordinator/audit.ts';
import { hashOf } from '#coordinator/secrets.ts';
import { checkConsolePage } from '../console/same-origin.ts';
import {
  checkCookieAllowed,
  dropOperatorCookie,
  operatorCookieOf,
  setOperatorCookie,
} from '../console/session-cookie.ts';
import { type Api, strict } from '../http/api.ts';
import type { OperatorAuth } from './operator-auth.ts';
import { OPERATOR_SESSION_MS, type OperatorSessions } from './operator-sessions.ts';

const URL = '/operator/session';
const common = { group: 'Operators', isHidden: true, url: URL } as const;
const Session = Type.Object({ operator: Type.String() });

interface OperatorSessionDeps {
  readonly api: Api;
  readonly auth: OperatorAuth;
  readonly sessions: OperatorSessions;
}

/** Routes by which an operator signs in to the operators' pages with their key, and signs out. */
export function addOperatorSessionRoutes({ api, auth, sessions }: OperatorSessionDeps): void {
  api.route({
    ...common,
    method: 'POST',
    access: 'public',
    summary: 'Sign in with an operator key',
    body: Type.Object({ key: Type.String({ minLength: 16, maxLength: 128 }) }, strict),
    reply: Session,
    handle: async ({ request, reply, body }) => {
      checkCookieAllowed(request);
      // Otherwise a page of another site could sign the operator in with the key of an attacker.
      checkConsolePage(request);
      const keyHash = hashOf(body.key);
      const operator = await auth.nameOf(keyHash, request.ip);
      const change = { actor: operator, action: 'operator-sign-in', subject: operator, detail: {} };
      return audited((method, row) => api.ask(method, row), change, {
        run: async () => {
          const value = sessions.start(keyHash);
          setOperatorCookie({ request, reply }, { value, maxAgeMs: OPERATOR_SESSION_MS });
          return { operator };
        },
        outcomeOf: (end) => ('reply' in end ? 'done' : 'failed'),
      });
    },
  });
  api.route({
    ...common,
    method: 'GET',
    access: 'operator',
    summary: 'Who is signed in',
    reply: Session,
    handle: async ({ request }) => ({ operator: request.operator ?? '' }),
  });
  api.route({
    ...common,
    method: 'DELETE',
    access: 'operator',
    summary: 'Sign out',
    reply: Type.Object({ ended: Type.Boolean() }),
    handle: async ({ request, reply }) => {
      const cookie = operatorCookieOf(request);
      if (cookie !== undefined) sessions.end(cookie);
      dropOperatorCookie({ request, reply });
      return { ended: cookie !== undefined };
    },
  });
}
