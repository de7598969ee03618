import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join, relative } from 'node:path';

/** Faults of downloads, each until its count is used up. */
export interface HubFaults {
  /**
   * Connections that end after `bytes`, as soon as `stored` resolves. It is called with the size
   * that the file has at a client that lost nothing.
   */
  cuts?: { times: number; bytes: number; stored: (bytes: number) => Promise<void> };
  /** Answers in which the byte `at` is changed. */
  wrongByte?: { times: number; at: number };
  /** Answers with the status 429 and `Retry-After: 0`. */
  tooMany?: { times: number };
  /** Connections that stop after `bytes` and stay open. */
  stalls?: { times: number; bytes: number };
  /** Answers without support for ranges. */
  ignoresRange?: boolean;
}

interface ServedFile {
  readonly name: string;
  readonly content: Buffer;
  readonly oid: string;
  readonly sha256: string;
}

const COMMIT = 'c'.repeat(40);

/** A server that speaks the protocol of Hugging Face's hub and serves one model from a folder. */
export class FakeHuggingFace implements AsyncDisposable {
  readonly faults: HubFaults = {};
  /** Bytes of content that were sent, by file. */
  readonly sent = new Map<string, number>();
  readonly #repository: string;
  readonly #files: readonly ServedFile[];
  readonly #server;

  private constructor(repository: string, files: readonly ServedFile[]) {
    this.#repository = repository;
    this.#files = files;
    this.#server = createServer((request, response) => void this.#answer(request, response));
    this.#server.listen(0, '127.0.0.1');
  }

  static async start(repository: string, folder: string): Promise<FakeHuggingFace> {
    const entries = await readdir(folder, { withFileTypes: true, recursive: true });
    const names = entries
      .filter((each) => each.isFile())
      .map((each) => relative(folder, join(each.parentPath, each.name)));
    const files = await Promise.all(
      names.map(async (name) => {
        const content = await readFile(join(folder, name));
        const oid = createHash('sha1')
          .update(`blob ${content.length}\0`)
          .update(content)
          .digest('hex');
        return { name, content, oid, sha256: createHash('sha256').update(content).digest('hex') };
      }),
    );
    const hub = new FakeHuggingFace(repository, files);
    await once(hub.#server, 'listening');
    return hub;
  }

  get url(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}`;
  }

  get env(): NodeJS.ProcessEnv {
    return { HF_ENDPOINT: this.url };
  }

  async #answer({ url = '/', headers }: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(url, 'http://hub');
    const json = (body: unknown) => response.end(JSON.stringify(body));
    const api = `/api/models/${this.#repository}`;
    if (pathname === `${api}/revision/main`) return void json({ sha: COMMIT });
    const tree = `${api}/tree/${COMMIT}`;
    if (pathname === tree || pathname.startsWith(`${tree}/`))
      return void json(this.#entriesOf(pathname.slice(tree.length + 1)));
    if (pathname === '/api/models') return void json([{ id: this.#repository, downloads: 7 }]);
    const prefix = `/${this.#repository}/resolve/${COMMIT}/`;
    const file = this.#files.find(({ name }) => pathname === prefix + name);
    if (file === undefined) {
      response.statusCode = 404;
      return void response.end();
    }
    await this.#send(file, headers.range, response);
  }

  /** The files and folders in a folder, which is empty for the repository itself. */
  #entriesOf(folder: string): object[] {
    const inside = this.#files.filter(({ name }) => name.startsWith(folder && `${folder}/`));
    const rest = (name: string) => name.slice(folder === '' ? 0 : folder.length + 1);
    const folders = new Set(
      inside.filter(({ name }) => rest(name).includes('/')).map(({ name }) => dirname(name)),
    );
    return [
      ...[...folders].map((path) => ({ type: 'directory', path, oid: '0'.repeat(40), size: 0 })),
      ...inside.filter(({ name }) => !rest(name).includes('/')).map(entryOf),
    ];
  }

  async #send(
    { name, content }: ServedFile,
    range: string | undefined,
    response: ServerResponse,
  ): Promise<void> {
    const { faults } = this;
    if (spent(faults.tooMany)) {
      response.writeHead(429, { 'retry-after': '0' });
      response.end();
      return;
    }
    const from = faults.ignoresRange ? 0 : Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
    let body = content.subarray(from);
    if (name.endsWith('.safetensors') && spent(faults.wrongByte)) {
      body = Buffer.from(body);
      const at = Math.min(faults.wrongByte?.at ?? 0, body.length - 1);
      body[at] = (body[at] ?? 0) ^ 0xff;
    }
    const isLarge = name.endsWith('.safetensors');
    const cut = isLarge && spent(faults.cuts) ? faults.cuts : undefined;
    const stall = isLarge && spent(faults.stalls) ? faults.stalls?.bytes : undefined;
    const length = Math.min(body.length, cut?.bytes ?? stall ?? body.length);
    this.sent.set(name, (this.sent.get(name) ?? 0) + length);
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': body.length });
    response.write(body.subarray(0, length));
    if (cut !== undefined) {
      await cut.stored(from + length);
      response.destroy();
    }
    if (cut === undefined && stall === undefined) response.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

function spent(fault: { times: number } | undefined): boolean {
  if (fault === undefined || fault.times === 0) return false;
  fault.times -= 1;
  return true;
}

const entryOf = ({ name, content, oid, sha256 }: ServedFile) => ({
  type: 'file',
  path: name,
  oid,
  size: content.length,
  ...(name.endsWith('.safetensors') && { lfs: { oid: sha256, size: content.length } }),
});
