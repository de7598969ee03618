import { type FileHandle, open, readdir, realpath } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { ModelError } from './model-error.ts';

const MAX_TEXT_BYTES = 64 * 1024 * 1024;

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
    const real = await realpath(path).catch((cause: unknown) => {
      throw new ModelError('missing_file', `there is no folder ${path}`, { cause });
    });
    const isSnapshot = basename(dirname(real)) === 'snapshots';
    return new ModelFolder(real, isSnapshot ? dirname(dirname(real)) : real);
  }

  async names(): Promise<string[]> {
    return (await readdir(this.path)).sort();
  }

  /** The caller closes it. */
  async open(name: string): Promise<FileHandle> {
    if (name !== basename(name) || name.startsWith('.')) throw new ModelError('outside_folder', `${JSON.stringify(name)} is no plain file name`);
    const real = await realpath(join(this.path, name)).catch((cause: unknown) => {
      throw new ModelError('missing_file', name, { cause });
    });
    if (!real.startsWith(this.#root + sep)) throw new ModelError('outside_folder', `${name} leads out of the model's folder`);
    return open(real, 'r');
  }

  async pathOf(name: string): Promise<string> {
    await using file = await this.open(name);
    if (!(await file.stat()).isFile()) throw new ModelError('missing_file', `${name} is no file`);
    return realpath(join(this.path, name));
  }

  async text(name: string): Promise<string> {
    await using file = await this.open(name);
    const stat = await file.stat();
    if (!stat.isFile()) throw new ModelError('missing_file', `${name} is no file`);
    if (stat.size > MAX_TEXT_BYTES) throw new ModelError('file_too_large', `${name} has ${stat.size} bytes; at most ${MAX_TEXT_BYTES} are read`);
    return file.readFile('utf8');
  }

  /** Nothing when there is no such file. */
  async textIfAny(name: string): Promise<string | undefined> {
    return (await this.names()).includes(name) ? this.text(name) : undefined;
  }
}
