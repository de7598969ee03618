import { setTimeout as delay } from 'node:timers/promises';
import { EnrolError } from './identity.ts';

// The device flow of RFC 8628: a machine, or a program of a person, shows a code and polls until the
// owner of the account has approved it.

const GRANT = 'urn:ietf:params:oauth:grant-type:device_code';
const TIMEOUT_MS = 15_000;
const SLOWER_MS = 5_000;

interface Codes {
  readonly device_code: string;
  readonly user_code: string;
  readonly verification_uri: string;
  readonly interval: number;
}

type Show = (codes: { readonly code: string; readonly page: string }) => void;

/** Shows a code, waits for its approval, and returns the one-time token for the enrolment. */
export const linkMachine = (coordinatorUrl: string, show: Show): Promise<string> =>
  tokenByCode(coordinatorUrl, { form: { client_id: 'dinf' }, what: 'to link this machine', show });

/**
 * Shows a code, waits until a person approves it, and returns the header `cookie` of a session of
 * this person. `program` is the name that the person sees.
 */
export const signInByCode = (
  coordinatorUrl: string,
  { program, show }: { program: string; show: Show },
): Promise<string> =>
  tokenByCode(coordinatorUrl, {
    form: { client_id: program, scope: 'session' },
    what: 'this sign-in',
    show,
  });

interface Asked {
  readonly form: Record<string, string>;
  /** What the owner of the account may refuse, for the message. */
  readonly what: string;
  readonly show: Show;
}

async function tokenByCode(coordinatorUrl: string, { form, what, show }: Asked): Promise<string> {
  const begun = await post(coordinatorUrl, '/v1/device/code', form);
  if (typeof begun['error'] === 'string')
    throw new EnrolError('refused', String(begun['error_description'] ?? begun['error']));
  const codes = begun as unknown as Codes;
  show({ code: codes.user_code, page: codes.verification_uri });
  for (let intervalMs = codes.interval * 1_000; ; ) {
    await delay(intervalMs);
    const answer = await post(coordinatorUrl, '/v1/device/token', {
      grant_type: GRANT,
      device_code: codes.device_code,
      client_id: form['client_id'] ?? '',
    });
    if (typeof answer['access_token'] === 'string') return answer['access_token'];
    switch (answer['error']) {
      case 'authorization_pending':
        break;
      case 'slow_down':
        intervalMs += SLOWER_MS;
        break;
      case 'access_denied':
        throw new EnrolError(
          'refused',
          `The owner of the account refused ${what}. Start again for a new code.`,
        );
      case 'expired_token':
        throw new EnrolError(
          'refused',
          'The code was not approved in time. Start again for a new one.',
        );
      default:
        throw new EnrolError(
          'refused',
          `The coordinator refused ${what}: ${String(answer['error_description'] ?? answer['error'])}.`,
        );
    }
  }
}

async function post(
  coordinatorUrl: string,
  path: string,
  form: Record<string, string>,
): Promise<Record<string, unknown>> {
  const url = new URL(path, coordinatorUrl);
  try {
    const response = await fetch(url, {
      method: 'POST',
      body: new URLSearchParams(form),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const answer = (await response.json()) as Record<string, unknown>;
    // The coordinator is overloaded and did not evaluate the poll, so poll again, more slowly.
    return response.status === 429 || response.status === 503 ? { error: 'slow_down' } : answer;
  } catch (cause) {
    throw new EnrolError('unreachable', `${url.origin} does not answer.`, { cause });
  }
}
