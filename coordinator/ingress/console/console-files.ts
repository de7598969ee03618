import { readdir, readFile } from 'node:fs/promises';
import { extname, join, relative, sep } from 'node:path';
import { readIfThere } from '#bus-schemas/saved-file.ts';

/** One file of the console, as it is and compressed. */
export interface ConsoleFile {
  readonly type: string;
  /** The content by encoding; a compressed form exists if the build wrote one. */
  readonly bytes: Readonly<Partial<Record<Encoding, Buffer>>> & { readonly identity: Buffer };
}

type Encoding = 'br' | 'gzip' | 'identity';

const PAGE = 'index.html';
const COMPRESSED: Readonly<Record<string, Encoding>> = { '.br': 'br', '.gz': 'gzip' };
/** Files of other types are not served. */
const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.webp': 'image/webp',
  '.woff2': 'font/woff2',
};

/**
 * The built files of the console. They are read once and then served from memory by their exact
 * name, so no name in a request can reach another file of the machine.
 */
export class ConsoleFiles {
  readonly #folder: string;
  #files: Promise<ReadonlyMap<string, ConsoleFile>> | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The page that all paths of the console show; undefined if the console was not built. */
  page(): Promise<ConsoleFile | undefined> {
    return this.file(PAGE);
  }

  /** The file with this path in the folder, such as `assets/index-4f2a.js`. */
  async file(path: string): Promise<ConsoleFile | undefined> {
    return (await this.#read()).get(path);
  }

  /** A console that is not built yet is looked for again at the next request. */
  async #read(): Promise<ReadonlyMap<string, ConsoleFile>> {
    if (this.#files === undefined) {
      const isBuilt = (await readIfThere(join(this.#folder, PAGE))) !== undefined;
      if (!isBuilt) return new Map();
      this.#files ??= readFiles(this.#folder);
      this.#files.catch(() => {
        this.#files = undefined;
      });
    }
    return this.#files;
  }
}

async function readFiles(folder: string): Promise<ReadonlyMap<string, ConsoleFile>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  const plain = paths.filter((path) => extname(path) in TYPES);
  const files = plain.map(async (path): Promise<[string, ConsoleFile]> => {
    const forms = Object.entries(COMPRESSED).filter(([end]) => paths.includes(path + end));
    const compressed = forms.map(async ([end, encoding]) => [encoding, await readFile(path + end)]);
    const bytes = {
      ...Object.fromEntries(await Promise.all(compressed)),
      identity: await readFile(path),
    };
    const name = relative(folder, path).replaceAll(sep, '/');
    return [name, { type: TYPES[extname(path)] ?? '', bytes }];
  });
  return new Map(await Promise.all(files));
}

/** The smallest form of the file that the client accepts. */
export function acceptedForm(
  { bytes }: ConsoleFile,
  accepted: string | undefined,
): { encoding: Encoding; content: Buffer } {
  const names = (accepted ?? '').split(',').map((each) => each.trim().split(';', 1)[0]);
  for (const encoding of ['br', 'gzip'] as const) {
    const content = bytes[encoding];
    if (content !== undefined && names.includes(encoding)) return { encoding, content };
  }
  return { encoding: 'identity', content: bytes.identity };
}
