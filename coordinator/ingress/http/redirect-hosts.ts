import { ApiError } from '#http-api/errors.ts';

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

/**
 * The addresses to which a page of Stripe may send a person back. Without this list, anybody could
 * make a page of Stripe that leads from there to an address of their choice (an open redirect).
 */
export class RedirectHosts {
  readonly #hosts: ReadonlySet<string>;

  constructor({ publicUrl, hosts }: { publicUrl: string | undefined; hosts: readonly string[] }) {
    const own = publicUrl === undefined ? [] : [new URL(publicUrl).host];
    this.#hosts = new Set([...own, ...hosts].map((host) => host.toLowerCase()));
  }

  /** Throws unless the address is one of this network, of its operator's list or of the person's own computer. */
  check(field: string, address: string): void {
    if (!URL.canParse(address)) throw refusal(field, 'It is not an address.');
    const { protocol, host, hostname, username, password } = new URL(address);
    if (username !== '' || password !== '') throw refusal(field, 'It contains a user name.');
    if (LOOPBACK.has(hostname)) return;
    if (protocol !== 'https:' && !this.#hosts.has(host))
      throw refusal(field, 'It does not begin with https://.');
    if (!this.#hosts.has(host))
      throw refusal(
        field,
        `The host ${host} is not allowed. Allowed are the host of DINF_PUBLIC_URL and those that the operator lists in DINF_REDIRECT_HOSTS.`,
      );
  }
}

const refusal = (field: string, reason: string) =>
  new ApiError('invalid_request', `Stripe may not send people to this ${field}. ${reason}`, {
    param: field,
  });
