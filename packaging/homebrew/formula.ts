import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface PublishedPackage {
  /** Address from which Homebrew downloads the archive. */
  readonly url: string;
  readonly version: string;
  readonly sha256: string;
  readonly license: string;
}

/** Characters that would end the string in Ruby, or would be evaluated inside it. */
const UNSAFE = /["\\#\s]/;

/**
 * Returns the Homebrew formula of a packed program: the file dinf.rb of this folder with the values
 * of one release.
 */
export function homebrewFormula({ url, version, sha256, license }: PublishedPackage): string {
  if (!/^https:\/\//.test(url) || !URL.canParse(url) || UNSAFE.test(url))
    throw new RangeError(`Homebrew needs an address that begins with https://, not ${url}`);
  const values: Record<string, string> = {
    HOMEPAGE: new URL(url).origin,
    URL: url,
    VERSION: version,
    SHA256: sha256,
    LICENSE: license,
  };
  return readFileSync(join(import.meta.dirname, 'dinf.rb'), 'utf8').replaceAll(
    /@([A-Z0-9]+)@/g,
    (mark, name: string) => values[name] ?? mark,
  );
}
