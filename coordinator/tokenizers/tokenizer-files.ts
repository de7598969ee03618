import { hash } from 'node:crypto';
import { copyFile, mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CodedError } from '#bus-schemas/coded-error.ts';
import { replaceWith } from '#bus-schemas/saved-file.ts';
import { TokenCounter } from './token-counter.ts';
import { MAX_TOKENIZER_BYTES } from './tokenizer-limit.ts';

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
 * its digest. The copy is checked too, because the original might change in between. A file that is
 * there already was checked when it was copied. Throws RefusedTokenizer.
 */
export async function keepTokenizer(home: string, given: string): Promise<string> {
  const isFolder = await stat(given).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const file = isFolder ? join(given, 'tokenizer.json') : given;
  const known = await digestOf(file);
  if (known !== undefined && (await digestOf(tokenizerPath(home, known))) === known) return known;
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

/** The digest of a file; undefined if it cannot be a tokenizer. */
async function digestOf(path: string): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile() || found.size > MAX_TOKENIZER_BYTES) return undefined;
  return hash('sha256', await readFile(path));
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
