import { constants, type FileHandle, open, readdir, realpath } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { type JsonObject, parseObject } from './json.ts';
import { ModelError } from './model-error.ts';

const MAX_TEXT_BYTES = 64 * 1024 * 1024;

/** An open file of the folder. Disposing of the object closes the file. */
export interface ModelFile extends AsyncDisposable {
  readonly handle: FileHandle;
  readonly path: string;
  readonly size: number;
}

/**
 * A model's folder, whose contents are not trusted. A file must lie inside the folder or, in the
 * layout of the Hugging Face cache (models--<owner>--<name>/snapshots/<commit>), inside that
 * repository's folder, where the blobs are. Links to other places are refused: otherwise a
 * downloaded model could make the provider read any file of this machine.
 */
export class ModelFolder {
  readonly path: string;
  readonly #root: string;
  /** By name. A tokenizer is a large file that several parts of the opening read. */
  readonly #parsed = new Map<string, JsonObject>();

  private constructor(path: string, root: string) {
    this.path = path;
    this.#root = root;
  }

  /** Returns a folder that is open already as it is. */
  static async open(path: string | ModelFolder): Promise<ModelFolder> {
    if (path instanceof ModelFolder) return path;
    const real = await orMissing(realpath(path), `the folder ${path} does not exist`);
    const isSnapshot = basename(dirname(real)) === 'snapshots';
    return new ModelFolder(real, isSnapshot ? dirname(dirname(real)) : real);
  }

  /** A folder in this one, with the same limits. Throws ModelError if there is none. */
  async within(name: string): Promise<ModelFolder> {
    if (name !== basename(name) || name.startsWith('.'))
      throw new ModelError('outside_folder', `${JSON.stringify(name)} is not a plain name`);
    const path = await orMissing(realpath(join(this.path, name)), name);
    if (!path.startsWith(this.#root + sep))
      throw new ModelError('outside_folder', `${name} leads out of the model's folder`);
    return new ModelFolder(path, this.#root);
  }

  async names(): Promise<string[]> {
    return (await orMissing(readdir(this.path), `the folder ${this.path} cannot be read`)).sort();
  }

  async open(name: string): Promise<ModelFile> {
    if (name !== basename(name) || name.startsWith('.'))
      throw new ModelError('outside_folder', `${JSON.stringify(name)} is not a plain file name`);
    const path = await orMissing(realpath(join(this.path, name)), name);
    if (!path.startsWith(this.#root + sep))
      throw new ModelError(
        'outside_folder',
        `${name} is a link to a place outside of the model's folder`,
      );
    // Without O_NONBLOCK, opening a named pipe would block until another process writes to it.
    const handle = await orMissing(open(path, constants.O_RDONLY | constants.O_NONBLOCK), name);
    const stat = await handle.stat();
    if (!stat.isFile()) {
      await handle.close();
      throw new ModelError('missing_file', `${name} is not a regular file`);
    }
    return { handle, path, size: stat.size, [Symbol.asyncDispose]: () => handle.close() };
  }

  async text(name: string): Promise<string> {
    await using file = await this.open(name);
    if (file.size > MAX_TEXT_BYTES)
      throw new ModelError(
        'file_too_large',
        `${name} has ${file.size} bytes; at most ${MAX_TEXT_BYTES} are allowed`,
      );
    return file.handle.readFile('utf8');
  }

  /** Returns undefined if the folder has no file of this name. */
  async textIfAny(name: string): Promise<string | undefined> {
    return (await this.names()).includes(name) ? this.text(name) : undefined;
  }

  /** The result is kept and must not be changed. */
  async json(name: string): Promise<JsonObject> {
    const known = this.#parsed.get(name);
    if (known !== undefined) return known;
    const parsed = parseObject(await this.text(name), name);
    this.#parsed.set(name, parsed);
    return parsed;
  }

  async jsonIfAny(name: string): Promise<JsonObject | undefined> {
    return (await this.names()).includes(name) ? this.json(name) : undefined;
  }
}

const orMissing = <T>(found: Promise<T>, detail: string): Promise<T> =>
  found.catch((cause: unknown) => {
    throw new ModelError('missing_file', detail, { cause });
  });
