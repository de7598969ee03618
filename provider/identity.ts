import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Nkey, providerCredentials } from '#bus-schemas';
import { readIfThere, writePrivate } from './private-file.ts';

/** What a provider keeps in its folder: a key that never leaves the machine, and what the coordinator gave for it. */
export interface Enrolment {
  readonly provider: string;
  readonly leafUrls: readonly string[];
  readonly credentialsFile: string;
}

interface EnrolAnswer {
  readonly provider: string;
  readonly user_jwt: string;
  readonly leaf_urls: string[];
}

export class EnrolError extends Error {
  readonly code: 'refused' | 'unreachable';

  constructor(code: EnrolError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'EnrolError';
    this.code = code;
  }
}

const TIMEOUT_MS = 15_000;

/** The enrolment of this folder; made with the token when there is none yet. */
export async function enrolment({
  home,
  coordinatorUrl,
  token,
  name,
}: {
  home: string;
  coordinatorUrl: string;
  token?: (() => Promise<string>) | undefined;
  name: string;
}): Promise<Enrolment> {
  const known = await readIfThere(join(home, 'enrolment.json'));
  if (known !== undefined) return JSON.parse(known) as Enrolment;
  if (token === undefined)
    throw new EnrolError('refused', 'This machine is not enrolled yet: start it with --link, or give it a token (dinf enrol-token makes one).');
  await mkdir(home, { recursive: true, mode: 0o700 });
  const key = await ownKey(home);
  const answer = await enrol(coordinatorUrl, { token: await token(), user_key: key.getPublicKey(), name });
  const credentialsFile = join(home, 'leaf.creds');
  await writePrivate(credentialsFile, providerCredentials(answer.user_jwt, key));
  const made: Enrolment = { provider: answer.provider, leafUrls: answer.leaf_urls, credentialsFile };
  await writePrivate(join(home, 'enrolment.json'), JSON.stringify(made));
  return made;
}

/** Written before the token is spent: an enrolment that was cut off goes on with the same key. */
async function ownKey(home: string): Promise<Nkey> {
  const file = join(home, 'user.nk');
  const seed = await readIfThere(file);
  if (seed !== undefined) return Nkey.fromSeed(seed);
  const key = Nkey.create('user');
  await writePrivate(file, key.seed);
  return key;
}

async function enrol(coordinatorUrl: string, request: { token: string; user_key: string; name: string }): Promise<EnrolAnswer> {
  const url = new URL('/v1/providers/enrol', coordinatorUrl);
  let response: Response;
  try {
    response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(request),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (cause) {
    throw new EnrolError('unreachable', `The coordinator at ${coordinatorUrl} cannot be reached.`, { cause });
  }
  const body = (await response.json()) as EnrolAnswer & { error?: { message: string } };
  if (!response.ok)
    throw new EnrolError(response.status >= 500 ? 'unreachable' : 'refused', body.error?.message ?? `The coordinator answered ${response.status}.`);
  return body;
}
