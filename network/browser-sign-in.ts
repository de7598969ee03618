import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { isLoopback, LruMap } from '#bus-schemas';

/** The path of the console to which a person returns. */
const CALLBACK = '/console/oidc/callback';
const CODE_LIFETIME_MS = 60_000;
const MAX_CODES = 100;
const MAX_NAME = 255;

/** What the console asks for, as the query of the authorization endpoint. */
interface Asked {
  readonly redirectUri: URL;
  readonly state: string;
  readonly nonce: string;
  readonly challenge: string;
}

interface IssuedCode extends Asked {
  readonly name: string;
  readonly expiresAt: number;
}

export interface SignInPage {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

interface BrowserSignInOptions {
  readonly audience: string;
  /** The password of the page. */
  readonly secret: string;
  readonly now: () => number;
}

/**
 * The sign-in page of a local network (OpenID's authorization code flow with PKCE). It asks for the
 * secret of the network: without it, every program and every web page on this machine could sign in
 * as any person. It sends people back to loopback addresses only.
 */
export class BrowserSignIn {
  readonly #options: BrowserSignInOptions;
  readonly #codes = new LruMap<string, IssuedCode>(MAX_CODES);

  constructor(options: BrowserSignInOptions) {
    this.#options = options;
  }

  show(query: URLSearchParams): SignInPage {
    const asked = this.#askedIn(query);
    return asked === undefined ? page(400, WRONG_REQUEST) : page(200, form(), asked);
  }

  submit(query: URLSearchParams, fields: URLSearchParams): SignInPage {
    const asked = this.#askedIn(query);
    if (asked === undefined) return page(400, WRONG_REQUEST);
    const name = fields.get('name') ?? '';
    if (name === '' || name.length > MAX_NAME) return page(400, form('Enter a name.'), asked);
    if (!isSame(fields.get('password') ?? '', this.#options.secret))
      return page(401, form('This is not the password of this network.'), asked);
    const code = randomBytes(32).toString('base64url');
    const expiresAt = this.#options.now() + CODE_LIFETIME_MS;
    this.#codes.set(code, { ...asked, name, expiresAt });
    const back = new URL(asked.redirectUri);
    back.searchParams.set('code', code);
    back.searchParams.set('state', asked.state);
    return { status: 303, headers: { location: back.href }, body: '' };
  }

  /** Returns the person who got the code. A code works once, and only for who began the sign-in. */
  redeem(fields: URLSearchParams): { name: string; nonce: string } | undefined {
    const code = fields.get('code') ?? '';
    const issued = this.#codes.get(code);
    this.#codes.delete(code);
    const challenge = createHash('sha256')
      .update(fields.get('code_verifier') ?? '')
      .digest('base64url');
    const isValid =
      issued !== undefined &&
      this.#options.now() < issued.expiresAt &&
      fields.get('client_id') === this.#options.audience &&
      fields.get('redirect_uri') === issued.redirectUri.href &&
      isSame(challenge, issued.challenge);
    return isValid ? { name: issued.name, nonce: issued.nonce } : undefined;
  }

  #askedIn(query: URLSearchParams): Asked | undefined {
    const redirectUri = URL.parse(query.get('redirect_uri') ?? '');
    const [state, nonce, challenge] = ['state', 'nonce', 'code_challenge'].map((name) =>
      query.get(name),
    );
    const isOurs =
      query.get('response_type') === 'code' &&
      query.get('client_id') === this.#options.audience &&
      query.get('code_challenge_method') === 'S256' &&
      redirectUri !== null &&
      isLoopback(redirectUri.hostname) &&
      redirectUri.pathname === CALLBACK;
    return isOurs && state && nonce && challenge
      ? { redirectUri, state, nonce, challenge }
      : undefined;
  }
}

const isSame = (one: string, other: string): boolean =>
  timingSafeEqual(...([one, other].map(digestOf) as [Buffer, Buffer]));
const digestOf = (text: string): Buffer => createHash('sha256').update(text).digest();

const WRONG_REQUEST =
  '<p>This page is a part of the sign-in to the console. Open the console and sign in there.</p>';

const form = (fault = ''): string => `
${fault === '' ? '' : `<p role="alert"><strong>${fault}</strong></p>`}
<form method="post">
<p><label>Name<br><input name="name" value="you" required maxlength="255" autocomplete="username"></label></p>
<p><label>Password of this network<br><input name="password" type="password" required autocomplete="current-password" autofocus></label></p>
<p><code>dinf sign-in --password</code> prints it, for whoever may read the home of the network.</p>
<p><button>Sign in</button></p>
</form>`;

function page(status: number, content: string, asked?: Asked): SignInPage {
  const target = asked === undefined ? '' : ` ${asked.redirectUri.origin}`;
  return {
    status,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      // A browser applies the rule to the redirect after the form, too.
      'content-security-policy': `default-src 'none'; base-uri 'none'; form-action 'self'${target}; frame-ancestors 'none'`,
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
    },
    body: `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Sign in</title></head>
<body><main><h1>Sign in to this network</h1>${content}</main></body>
</html>
`,
  };
}
