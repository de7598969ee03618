import type { Logger } from 'pino';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import { messageOf } from '#bus-schemas/message-of.ts';
import { setting } from '#bus-schemas/settings/settings.ts';
import type { FirstToken } from '#provider/identity.ts';

interface FirstTokenOptions {
  readonly coordinator: string;
  readonly token: string | undefined;
  readonly tokenFile: string | undefined;
  readonly link: boolean;
  readonly log: Pick<Logger, 'warn'>;
  /** Also receives the code that the owner must approve. */
  readonly onCode: (shown: { readonly code: string; readonly page: string }) => void;
}

/**
 * Chooses how a machine that is not enrolled yet gets its one-time token. DINF_ENROL_TOKEN is only
 * a default: an existing enrolment is used even if it was made with another token.
 */
export function firstToken({
  coordinator,
  token,
  tokenFile,
  link,
  log,
  onCode,
}: FirstTokenOptions): FirstToken | undefined {
  if (token !== undefined) {
    // Another user of this machine could take the token from the list of processes and enrol a
    // machine of their own with it.
    log.warn(
      '--token shows the enrolment token to every user of this machine (ps); --token-file or DINF_ENROL_TOKEN does not',
    );
    return { source: 'operator', isDemanded: true, get: async () => token };
  }
  if (tokenFile !== undefined)
    return { source: 'operator', isDemanded: true, get: () => readToken(tokenFile) };
  const given = setting('DINF_ENROL_TOKEN');
  if (!link && given) return { source: 'operator', isDemanded: false, get: async () => given };
  if (!link) return undefined;
  return {
    source: 'link',
    isDemanded: true,
    get: async () => {
      const { linkMachine } = await import('#provider/link.ts');
      return linkMachine(coordinator, ({ code, page }) => {
        onCode({ code, page });
        console.log(
          `To make this machine yours, sign in, go to ${page}\nand enter ${code}   (on a network of your own: dinf approve ${code})`,
        );
      });
    },
  };
}

export const readToken = (file: string): Promise<string> =>
  readSecret(file, 'The enrolment token cannot be read: ');

/** Reads a secret from a file, or from standard input. `fault` begins the error message. */
export async function readSecret(file: string, fault: string): Promise<string> {
  const { readFile } = await import('node:fs/promises');
  const text = await readFile(file === '-' ? '/dev/stdin' : file, 'utf8').catch(
    (cause: unknown) => {
      throw new CommandError(EXIT.usage, `${fault}${messageOf(cause)}`, { cause });
    },
  );
  return text.trim();
}
