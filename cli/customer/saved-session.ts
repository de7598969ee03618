import { join } from 'node:path';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import { homeFolder } from '#bus-schemas/running-network.ts';
import { readIfThere, replace } from '#bus-schemas/saved-file.ts';

/** The session of `dinf sign-in` at a network that is not started from this home. */
interface SavedSession {
  readonly url: string;
  /** The header `cookie` of the session. */
  readonly cookie: string;
}

const sessionFile = (home: string): string => join(home, 'session.json');

/** Stores the session in a file that only this user of the computer can read. */
const saveSession = (session: SavedSession): Promise<void> =>
  replace(sessionFile(homeFolder(process.env)), JSON.stringify(session));

/** The headers with which a command calls the API as the person who signed in. */
export async function sessionHeaders(url: string): Promise<Record<string, string>> {
  const saved = await readIfThere(sessionFile(homeFolder(process.env)));
  const session = saved === undefined ? undefined : (JSON.parse(saved) as SavedSession);
  // The session belongs to its network, and must not be sent to another one.
  if (session === undefined || session.url !== url)
    throw new CommandError(
      EXIT.usage,
      `You are not signed in at ${url}. Run "dinf sign-in" first.`,
    );
  return { cookie: session.cookie, 'x-dinf-console': '1', origin: new URL(url).origin };
}

/**
 * Signs in at any network: shows a code, and waits until a person who is signed in to the console has
 * approved it.
 */
export async function signInAt(url: string): Promise<void> {
  const { hostname } = await import('node:os');
  const { signInByCode } = await import('#provider/link.ts');
  const cookie = await signInByCode(url, {
    program: `dinf on ${hostname()}`,
    show: ({ code, page }) =>
      console.error(`To sign in, open ${page}?user_code=${code}\nand approve the code ${code}.`),
  });
  await saveSession({ url, cookie });
  console.log(`You are signed in at ${url}.`);
}
