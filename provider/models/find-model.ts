import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { hubCache } from '../downloads/hub-cache.ts';
import { ModelError } from './model-error.ts';

/**
 * Finds a model by the path of its folder, or by its name in Hugging Face's cache, for example
 * `mlx-community/Qwen3-4B-4bit`.
 */
export async function findModel(
  name: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<{ path: string; build: string }> {
  if (existsSync(join(name, 'config.json'))) return { path: name, build: basename(name) };
  const cache = hubCache(env);
  const repository = join(cache, `models--${name.replaceAll('/', '--')}`);
  const commit = await readFile(join(repository, 'refs', 'main'), 'utf8').catch(() => undefined);
  if (commit === undefined || !/^[0-9a-f]{40}\s*$/.test(commit))
    throw new ModelError(
      'missing_file',
      `${name} is neither a folder with a config.json nor a repository in ${cache}. "dinf provider models pull ${name}" downloads it`,
    );
  return { path: join(repository, 'snapshots', commit.trim()), build: basename(name) };
}
