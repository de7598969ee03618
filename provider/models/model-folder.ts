import { constants, type FileHandle, open, readdir, realpath } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { type JsonObject, parseObject } from './json.ts';
import { ModelError } from './model-error.ts';

const MAX_TEXT_BYTES = 64 * 1024 * 1024;

/** An open file of the folder; disposing of it closes it. */
export interface ModelFile extends AsyncDisposable {
  readonly handle: FileHandle;
  readonly path: string;
  readonly size: number;
}

/**
 * A folder that somebody else may have filled. A file counts as part of it when it lies inside, or, in the layout of the
 * Hugging Face cache (models--<who>--<what>/snapshots/<commit>), among that repository's blobs; any other link is refused.
 */
export class ModelFolder {
  readonly path: string;
  readonly #root: string;

  private constructor(path: string, root: string) {
    this.path = path;
    this.#root = root;
  }

  static async open(path: string): Promise<ModelFolder> {
    const real = await orMissing(realpath(path), `there is no folder ${path}`);
    const isSnapshot = basename(dirname(real)) === 'snapshots';
    return new ModelFolder(real, isSnapshot ? dirname(dirname(real)) : real);
  }

  async names(): Promise<string[]> {
    return (await orMissing(readdir(this.path), `the folder ${this.path} cannot be read`)).sort();
  }

  async open(name: string): Promise<ModelFile> {
    if (name !== basename(name) || name.startsWith('.')) throw new ModelError('outside_folder', `${JSON.stringify(name)} is no plain file name`);
    const path = await orMissing(realpath(join(this.path, name)), name);
    if (!path.startsWith(this.#root + sep)) throw new ModelError('outside_folder', `${name} leads out of the model's folder`);
    // Without O_NONBLOCK a pipe in the folder would keep us waiting for somebody to write to it.
    const handle = await orMissing(open(path, constants.O_RDONLY | constants.O_NONBLOCK), name);
    const stat = await handle.stat();
    if (!stat.isFile()) {
      await handle.close();
      throw new ModelError('missing_file', `${name} is no file`);
    }
    return { handle, path, size: stat.size, [Symbol.asyncDispose]: () => handle.close() };
  }

  async text(name: string): Promise<string> {
    await using file = await this.open(name);
    if (file.size > MAX_TEXT_BYTES) throw new ModelError('file_too_large', `${name} has ${file.size} bytes; at most ${MAX_TEXT_BYTES} are read`);
    return file.handle.readFile('utf8');
  }

  /** Nothing when there is no such file. */
  async textIfAny(name: string): Promise<string | undefined> {
    return (await this.names()).includes(name) ? this.text(name) : undefined;
  }

  async json(name: string): Promise<JsonObject> {
    return parseObject(await this.text(name), name);
  }

  async jsonIfAny(name: string): Promise<JsonObject | undefined> {
    return (await this.names()).includes(name) ? this.json(name) : undefined;
  }
}

const orMissing = <T>(found: Promise<T>, what: string): Promise<T> =>
  found.catch((cause: unknown) => {
    throw new ModelError('missing_file', what, { cause });
  });
