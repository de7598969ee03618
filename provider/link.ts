import { setTimeout as delay } from 'node:timers/promises';
import { EnrolError } from './identity.ts';

// Links a machine to an account by the device flow of RFC 8628: the machine shows a code and polls
// until the owner of the account has approved it.

const GRANT = 'urn:ietf:params:oauth:grant-type:device_code';
const TIMEOUT_MS = 15_000;
const SLOWER_MS = 5_000;

interface Codes {
  readonly device_code: string;
  readonly user_code: string;
  readonly verification_uri: string;
  readonly interval: number;
}

/** Shows a code, waits for its approval, and returns the one-time token for the enrolment. */
export async function linkMachine(
  coordinatorUrl: string,
  show: (codes: { code: string; page: string }) => void,
): Promise<string> {
  const codes = (await post(coordinatorUrl, '/v1/device/code', {
    client_id: 'dinf',
  })) as unknown as Codes;
  show({ code: codes.user_code, page: codes.verification_uri });
  for (let intervalMs = codes.interval * 1_000; ; ) {
    await delay(intervalMs);
    const answer = await post(coordinatorUrl, '/v1/device/token', {
      grant_type: GRANT,
      device_code: codes.device_code,
      client_id: 'dinf',
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
          'The owner of the account refused to link this machine. Start again for a new code.',
        );
      case 'expired_token':
        throw new EnrolError(
          'refused',
          'The code was not approved in time. Start again for a new one.',
        );
      default:
        throw new EnrolError(
          'refused',
          `The coordinator does not link machines: ${String(answer['error'])}.`,
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
