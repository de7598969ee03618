import { makeSignInLink } from '#coordinator';
import type { ApiResponse, Person, TestNetwork } from '../test-network.ts';

/** A page of the console: it sends what a browser and the page send, and keeps the cookie. */
export class ConsoleBrowser {
  readonly #network: TestNetwork;
  cookie: string | undefined;

  constructor(network: TestNetwork, cookie?: string) {
    this.#network = network;
    this.cookie = cookie;
  }

  /** The headers of a request by a page of this network. */
  headers(): Record<string, string> {
    return {
      'x-dinf-console': '1',
      origin: this.#network.url,
      'sec-fetch-site': 'same-origin',
      ...(this.cookie !== undefined && { cookie: this.cookie }),
    };
  }

  async ask(method: string, path: string, body?: unknown): Promise<ApiResponse> {
    const headers = this.headers();
    const answer = await this.#network.ask(method, path, { body, headers });
    this.#keep(answer);
    return answer;
  }

  signIn(code: string): Promise<ApiResponse> {
    return this.ask('POST', '/console/session', { code });
  }

  #keep({ headers }: ApiResponse): void {
    const [set] = headers.getSetCookie();
    if (set === undefined) return;
    const pair = set.split(';', 1)[0] ?? '';
    this.cookie = pair.endsWith('=') ? undefined : pair;
  }
}

/** The code of a new link for this person. */
export async function codeFor(
  network: TestNetwork,
  owner: { account: string; user?: string },
): Promise<string> {
  const { bus } = network.network.coordinator;
  const link = await makeSignInLink(bus, { owner, url: network.url, now: Date.now() });
  if (link === undefined) throw new Error(`there is no account ${owner.account}`);
  return new URLSearchParams(new URL(link).hash.slice(1)).get('code') ?? '';
}

export async function signedIn(network: TestNetwork, person: Person): Promise<ConsoleBrowser> {
  const browser = new ConsoleBrowser(network);
  await browser.signIn(await codeFor(network, person));
  return browser;
}
