/** What the hub reads in a token of the operator. */
interface TokenClaims {
  /** The key that signed the token. */
  readonly iss: string;
  /** The account that the token is for. */
  readonly sub: string;
  readonly nats?: {
    readonly issuer_account?: string;
    /** The accounts that the operator removes with this token. */
    readonly accounts?: readonly string[];
  };
}

/** The claims of a token, whose signature is not checked. */
export const tokenClaims = (jwt: string): TokenClaims =>
  JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString('utf8')) as TokenClaims;
