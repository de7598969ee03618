import type { ConsoleSessions, NewSession } from './console-sessions.ts';
import type { SignInCodes } from './sign-in-codes.ts';

type Redeemer = Pick<NewSession, 'sessionHash' | 'userAgent' | 'address'> & {
  readonly codeHash: Uint8Array;
};

/**
 * Exchanges a code for a session. A caller that lost the reply repeats the call with the same
 * session hash and gets the same session; a thief who uses the code later has another hash.
 */
export async function signInWithCode(
  { codes, sessions }: { codes: SignInCodes; sessions: ConsoleSessions },
  { codeHash, ...client }: Redeemer,
) {
  const code = await codes.redeem(codeHash);
  if (code === undefined) return { ok: false as const, code: 'unknown' as const };
  const { account, user, isUsed, isExpired } = code;
  if (isUsed) {
    const repeated = await sessions.authenticate(client.sessionHash);
    return repeated.ok ? repeated : { ok: false as const, code: 'used' as const };
  }
  if (isExpired) return { ok: false as const, code: 'expired' as const };
  return sessions.start({ ...client, account, user, by: 'link' });
}
