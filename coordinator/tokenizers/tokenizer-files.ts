import { copyFile, mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CodedError } from '#bus-schemas/coded-error.ts';
import { replaceWith } from '#bus-schemas/saved-file.ts';
import { TokenCounter } from './token-counter.ts';

/** Text with letters, digits, white space and characters of one to four bytes. */
const SAMPLE = 'Hello, wörld!\n  def f(x): return x ** 1234  # 日本語 🦙';

/**
 * Returns the path of the tokenizer with this digest. Every ingress needs the file in its own home.
 */
export const tokenizerPath = (home: string, digest: string): string =>
  join(home, 'tokenizers', `${digest}.json`);

/** A tokenizer that is refused, with the reason for the operator. */
class RefusedTokenizer extends CodedError<'refused_tokenizer'> {
  constructor(message: string, options?: ErrorOptions) {
    super('refused_tokenizer', message, options);
  }
}

/**
 * Checks the tokenizer of a file, or of the folder of a model, and copies it into the home. Returns
 * its digest. The copy is checked too, because the original might change in between. Throws
 * RefusedTokenizer.
 */
export async function keepTokenizer(home: string, given: string): Promise<string> {
  const isFolder = await stat(given).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const file = isFolder ? join(given, 'tokenizer.json') : given;
  await using counter = new TokenCounter();
  const { digest } = await tried(counter, file);
  await mkdir(join(home, 'tokenizers'), { recursive: true, mode: 0o700 });
  await replaceWith(tokenizerPath(home, digest), async (fresh) => {
    await copyFile(file, fresh);
    if ((await tried(counter, fresh)).digest !== digest)
      throw new RefusedTokenizer(`${file} was changed while it was copied. Repeat the command.`);
  });
  return digest;
}

async function tried(counter: TokenCounter, path: string): Promise<{ digest: string }> {
  const counted = await counter.count({ path, digest: undefined, text: SAMPLE });
  if (!counted.ok) throw new RefusedTokenizer(counted.why);
  if (counted.tokens === 0 || counted.tokens > Buffer.byteLength(SAMPLE))
    throw new RefusedTokenizer(
      `${path} makes ${counted.tokens} tokens of a text of ${Buffer.byteLength(SAMPLE)} bytes.`,
    );
  return counted;
}
