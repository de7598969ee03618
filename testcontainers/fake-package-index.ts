import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

interface IndexFaults {
  /** Ends so many connections after this number of bytes, once the client has stored them. */
  cut?: { times: number; bytes: number; stored: (bytes: number) => Promise<void> };
  /** Sends another first byte. */
  isWrong?: boolean;
}

/**
 * A Python package index on loopback, in the "simple" form of HTML pages. Its files are on a second
 * server, as those of PyPI are.
 */
export class FakePackageIndex implements AsyncDisposable {
  readonly faults: IndexFaults = {};
  /** The password that pages require; files do not. */
  password: string | undefined;
  /** Bytes of content that were sent. */
  sent = 0;
  /** Headers of the requests for files. */
  readonly fileRequests: IncomingMessage['headers'][] = [];
  readonly #project: string;
  readonly #file: { readonly name: string; readonly content: Uint8Array };
  readonly #pages;
  readonly #files;

  private constructor(project: string, file: { name: string; content: Uint8Array }) {
    this.#project = project;
    this.#file = file;
    this.#pages = createServer((request, response) => this.#sendPage(request, response));
    this.#files = createServer((request, response) => void this.#sendFile(request, response));
    for (const server of [this.#pages, this.#files]) server.listen(0, '127.0.0.1');
  }

  static async start(
    project: string,
    file: { name: string; content: Uint8Array },
  ): Promise<FakePackageIndex> {
    const index = new FakePackageIndex(project, file);
    await Promise.all([index.#pages, index.#files].map((server) => once(server, 'listening')));
    return index;
  }

  get env(): NodeJS.ProcessEnv {
    const user = this.password === undefined ? '' : `reader:${encodeURIComponent(this.password)}@`;
    const { port } = this.#pages.address() as AddressInfo;
    return { PIP_INDEX_URL: `http://${user}127.0.0.1:${port}/simple/` };
  }

  #sendPage({ url, headers }: IncomingMessage, response: ServerResponse): void {
    const wanted = `Basic ${btoa(`reader:${this.password}`)}`;
    if (this.password !== undefined && headers.authorization !== wanted)
      return void response.writeHead(401).end();
    if (url !== `/simple/${this.#project}/`) return void response.writeHead(404).end();
    const { port } = this.#files.address() as AddressInfo;
    const link = (name: string) =>
      `<a href="http://127.0.0.1:${port}/files/${name}?a=1&amp;b=2#sha256=00" data-requires-python="&gt;=3.9">${name}</a><br/>`;
    response.setHeader('content-type', 'text/html');
    response.end(
      `<!DOCTYPE html><html><body>${link('other-0.1.whl')}\n${link(this.#file.name)}</body></html>`,
    );
  }

  async #sendFile({ url, headers }: IncomingMessage, response: ServerResponse): Promise<void> {
    this.fileRequests.push(headers);
    if (url !== `/files/${this.#file.name}?a=1&b=2`) return void response.writeHead(404).end();
    const from = Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? 0);
    const body = Buffer.from(this.#file.content.subarray(from));
    if (this.faults.isWrong) body[0] = (body[0] ?? 0) ^ 0xff;
    const { cut } = this.faults;
    const isCut = cut !== undefined && cut.times > 0;
    const length = isCut ? Math.min(cut.bytes, body.length) : body.length;
    this.sent += length;
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': body.length });
    response.write(body.subarray(0, length));
    if (!isCut) return void response.end();
    cut.times -= 1;
    await cut.stored(from + length);
    response.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of [this.#pages, this.#files]) {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    }
  }
}
