import { services } from '#bus-schemas';
import type { Bus } from './bus.ts';
import { makeSignInCode } from './secrets.ts';

/** Time within which a link must be opened, in milliseconds. */
const LIFETIME_MS = 3_600_000;
const CALL = { timeoutMs: 10_000 };

/** Whom a link signs in: an account, and its person if it has one. */
export interface LinkOwner {
  readonly account: string;
  readonly user?: string;
}

/**
 * Makes a link that signs its owner in to the console once. The code is in the fragment of the URL,
 * which browsers send to no server, so that no log of a proxy contains it. Returns undefined if there
 * is no such account.
 */
export async function makeSignInLink(
  bus: Bus,
  { owner, url, now }: { owner: LinkOwner; url: string; now: number },
): Promise<string | undefined> {
  const { text, hash } = makeSignInCode();
  const { account, user } = owner;
  const code = {
    account,
    ...(user !== undefined && { user }),
    codeHash: hash,
    expiresAt: now + LIFETIME_MS,
  };
  const created = await bus.call(services.accounts.createSignInCode, code, CALL);
  return created.ok ? `${new URL('/sign-in', url)}#code=${text}` : undefined;
}
