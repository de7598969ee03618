import { decode } from '@nats-io/jwt';
import { readIfThere, replace } from '#bus-schemas/saved-file.ts';

/**
 * What happened to a file: `made`, `kept` as it was, or `differs`: it was kept although this
 * version would write another text, which is in the file with `.new` at its end.
 */
export interface FoundedFile {
  readonly path: string;
  readonly change: 'made' | 'kept' | 'differs';
}

/** Writes a file, unless it exists with another text, because its operator may have changed it. */
export async function keepOrMake(path: string, text: string): Promise<FoundedFile> {
  const known = await readIfThere(path);
  if (known === undefined) {
    await replace(path, text);
    return { path, change: 'made' };
  }
  if (withoutTimes(known) === withoutTimes(text)) return { path, change: 'kept' };
  await replace(`${path}.new`, text);
  return { path, change: 'differs' };
}

const TOKEN = /\beyJ[\w-]+\.[\w-]+\.[\w-]+/g;

/** Replaces tokens by their claims without time and id, which are new in every token. */
const withoutTimes = (config: string) =>
  config.replace(TOKEN, (token) => {
    const { iat: _iat, jti: _jti, ...claims } = decode(token);
    return JSON.stringify(claims);
  });
