import { homedir } from 'node:os';
import { join } from 'node:path';
import { setting } from '#bus-schemas/settings/settings.ts';

/**
 * The cache of Hugging Face's tools, so that a model that Python has downloaded is found here, and
 * the other way round.
 */

const REPOSITORY = /^[A-Za-z0-9][\w.-]{0,95}\/[A-Za-z0-9][\w.-]{0,95}$/;

export const hubCache = (env: NodeJS.ProcessEnv): string =>
  setting('HF_HUB_CACHE', env) ??
  join(setting('HF_HOME', env) ?? join(homedir(), '.cache', 'huggingface'), 'hub');

/** Whether a text is the name of a repository, such as `mlx-community/Qwen3-4B-4bit`. */
export const isRepository = (name: string): boolean =>
  REPOSITORY.test(name) && !name.includes('..');

/** The folder of one repository in the cache. */
export class CachedRepository {
  readonly path: string;
  readonly name: string;

  constructor(name: string, env: NodeJS.ProcessEnv = process.env) {
    if (!isRepository(name)) throw new TypeError(`${name} is not the name of a repository`);
    this.name = name;
    this.path = join(hubCache(env), `models--${name.replaceAll('/', '--')}`);
  }

  /** The content of a file. Its name is the digest that the hub states for it. */
  blob(digest: string): string {
    return join(this.path, 'blobs', digest);
  }

  /** The file that holds the commit of a branch. */
  ref(revision: string): string {
    return join(this.path, 'refs', revision);
  }

  snapshot(commit: string): string {
    return join(this.path, 'snapshots', commit);
  }

  get lock(): string {
    return join(this.path, '.dinf-pull.lock');
  }
}
