import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Nkey, providerCredentials } from '#bus-schemas';
import { CodedError, type ErrorFault } from '#bus-schemas/coded-error.ts';
import { readIfThere, replace } from '#bus-schemas/saved-file.ts';
import { setting } from '#bus-schemas/settings/settings.ts';
import { CoordinatorError, callCoordinator, isReadableOnTheWay } from './coordinator-call.ts';
import { withCurrentHubs } from './hub-addresses.ts';

/**
 * Origin of an enrolment's one-time token. `operator`: `dinf enrol-token` printed it. `link`: the
 * owner of an account approved the code that the machine showed.
 */
type TokenSource = 'operator' | 'link';

/**
 * Content of `enrolment.json` in a provider's folder: the identity that the coordinator assigned to
 * the machine's bus key. The key itself is in `user.nk` and never leaves the machine.
 */
export interface Enrolment {
  readonly provider: string;
  /** The coordinator that enrolled this machine; absent if an older version enrolled it. */
  readonly coordinatorUrl?: string;
  /** Origin of the token; absent if an older version enrolled the machine. */
  readonly enrolledBy?: TokenSource;
  readonly leafUrls: readonly string[];
  /** Certificate of the authority of the hubs; absent if the network has no TLS. */
  readonly hubCaFile?: string;
  readonly credentialsFile: string;
}

interface EnrolAnswer {
  readonly provider: string;
  readonly user_jwt: string;
  readonly leaf_urls: string[];
}

const enrolErrors = {
  not_enrolled: 'user',
  refused: 'other',
  unreachable: 'dependency',
  enrolled_already: 'user',
  insecure: 'user',
} as const satisfies Record<string, ErrorFault>;

export class EnrolError extends CodedError<keyof typeof enrolErrors> {
  override readonly fault = enrolErrors[this.code];
}

export interface FirstToken {
  readonly source: TokenSource;
  /** True if an existing enrolment that was made in another way is an error. */
  readonly isDemanded: boolean;
  readonly get: () => Promise<string>;
}

export interface EnrolOptions {
  readonly home: string;
  readonly coordinatorUrl: string;
  /** The token for the first start; not used once the machine is enrolled. */
  readonly token?: FirstToken | undefined;
  readonly name: string;
}

const enrolmentFile = (home: string): string => join(home, 'enrolment.json');

/** Returns the enrolment as it was saved; undefined if the machine is not enrolled. */
export async function readEnrolment(home: string): Promise<Enrolment | undefined> {
  const text = await readIfThere(enrolmentFile(home));
  return text === undefined ? undefined : (JSON.parse(text) as Enrolment);
}

/**
 * Returns the enrolment in `home`, with the present addresses of the hubs. Enrols the machine with
 * the token if there is none.
 */
export async function enrolment(options: EnrolOptions): Promise<Enrolment> {
  const { home, coordinatorUrl } = options;
  if (!setting('DINF_INSECURE') && isReadableOnTheWay(coordinatorUrl))
    throw new EnrolError(
      'insecure',
      `${coordinatorUrl} is not an https:// address, so the machine's token and credentials would be readable on the network. Use https://, or set DINF_INSECURE=1 on a network that you trust.`,
    );
  const file = enrolmentFile(home);
  const text = await readIfThere(file);
  const known =
    text === undefined
      ? await firstEnrolment(options)
      : checkedEnrolment(JSON.parse(text) as Enrolment, options);
  const current = await withCurrentHubs(home, known, coordinatorUrl);
  const currentText = JSON.stringify(current);
  if (currentText !== text) await replace(file, currentText);
  return current;
}

async function firstEnrolment({
  home,
  coordinatorUrl,
  token,
  name,
}: EnrolOptions): Promise<Enrolment> {
  if (token === undefined)
    throw new EnrolError(
      'not_enrolled',
      'This machine is not enrolled yet: start it with --link, or give it a token (dinf enrol-token makes one).',
    );
  await mkdir(home, { recursive: true, mode: 0o700 });
  const key = await ownKey(home);
  const answer = await enrol(coordinatorUrl, {
    token: await token.get(),
    user_key: key.getPublicKey(),
    name,
  });
  const credentialsFile = join(home, 'leaf.creds');
  await replace(credentialsFile, providerCredentials(answer.user_jwt, key));
  const made: Enrolment = {
    provider: answer.provider,
    coordinatorUrl,
    enrolledBy: token.source,
    leafUrls: answer.leaf_urls,
    credentialsFile,
  };
  // Saved before the addresses of the hubs are requested: the token works only once.
  await replace(enrolmentFile(home), JSON.stringify(made));
  return made;
}

/**
 * Throws if the existing enrolment is not the one that the caller requested. Otherwise the machine
 * would earn money for another account, or serve another network.
 */
function checkedEnrolment(
  known: Enrolment,
  { home, coordinatorUrl, token }: Pick<EnrolOptions, 'home' | 'coordinatorUrl' | 'token'>,
): Enrolment {
  const hint = 'Use another folder with --home, or delete that folder to enrol this machine again.';
  if (token?.isDemanded && known.enrolledBy !== token.source) {
    const how =
      known.enrolledBy === 'link'
        ? 'by the link that its owner approved'
        : 'with a token of the operator';
    throw new EnrolError(
      'enrolled_already',
      `${home} holds the machine ${known.provider}, which was enrolled ${how}. ${hint}`,
    );
  }
  if (
    token?.isDemanded &&
    known.coordinatorUrl !== undefined &&
    !isSameOrigin(known.coordinatorUrl, coordinatorUrl)
  )
    throw new EnrolError(
      'enrolled_already',
      `${home} holds the machine ${known.provider} of the network at ${known.coordinatorUrl}, not of ${coordinatorUrl}. ${hint}`,
    );
  return known;
}

const isSameOrigin = (one: string, other: string): boolean =>
  new URL(one).origin === new URL(other).origin;

/**
 * Returns the bus key of this machine, and creates it at the first call. The key is saved before
 * the token is sent, so that an interrupted enrolment can be repeated with the same token and key.
 */
async function ownKey(home: string): Promise<Nkey> {
  const file = join(home, 'user.nk');
  const seed = await readIfThere(file);
  if (seed !== undefined) return Nkey.fromSeed(seed);
  const key = Nkey.create('user');
  await replace(file, key.seed);
  return key;
}

async function enrol(
  coordinatorUrl: string,
  request: { token: string; user_key: string; name: string },
): Promise<EnrolAnswer> {
  try {
    return await callCoordinator<EnrolAnswer>(coordinatorUrl, '/v1/providers/enrol', request);
  } catch (error) {
    if (!(error instanceof CoordinatorError)) throw error;
    throw new EnrolError((error.status ?? 500) >= 500 ? 'unreachable' : 'refused', error.message, {
      cause: error,
    });
  }
}
