import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isSet } from '#bus-schemas/settings/settings.ts';
import { unpackDebian } from '#provider';
import { ensureFolder } from './ensure-folder.ts';
import { pythonPackages } from './python-packages.ts';

/** MLX of the version that the tests compare the project's own engines with, as Python packages. */
const MLX = '0.32.4';
export const mlxPackages =
  process.platform === 'linux' ? [`mlx==${MLX}`, `mlx-cpu==${MLX}`] : [`mlx==${MLX}`];
const DRIVER = 'usr/share/vulkan/icd.d/lvp_icd.json';

interface Drivers {
  /** Environment variables with which the process of the tests finds the drivers. */
  readonly env: Readonly<Record<string, string>>;
  /** One message for each driver that could not be installed, with the reason. */
  readonly missing: readonly string[];
}

/**
 * Installs a Vulkan driver that computes on the processor, and MLX for Linux, into the cache.
 * Engine tests run on those that could be installed.
 */
export async function findEngineDrivers(
  cacheDir: string,
  env: NodeJS.ProcessEnv,
): Promise<Drivers> {
  const missing: string[] = [];
  const variables = await Promise.all(
    [softwareVulkan, mlxForLinux].map((find) =>
      find(cacheDir, env).catch((error: unknown) => {
        missing.push(error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error));
        return {};
      }),
    ),
  );
  return { env: Object.assign({}, ...variables), missing };
}

async function softwareVulkan(
  cacheDir: string,
  env: NodeJS.ProcessEnv,
): Promise<Record<string, string>> {
  if (process.platform !== 'linux' || env['VK_DRIVER_FILES'] || existsSync(`/${DRIVER}`)) return {};
  const folder = await ensureFolder(join(cacheDir, 'lavapipe'), async (staged) => {
    await unpackDebian({
      folder: staged,
      env,
      packages: ['mesa-vulkan-drivers', 'libvulkan1'],
      suites: ['{codename}', '{codename}-backports'],
      withDependencies: true,
    });
  });
  const root = join(folder, 'unpacked');
  const [triple] = await readdir(join(root, 'usr/lib'));
  const libraries = join(root, 'usr/lib', triple ?? '');
  // Vulkan's loader uses library_path unchanged, so it must be the path of the unpacked library.
  const icd = JSON.parse(await readFile(join(root, DRIVER), 'utf8'));
  icd.ICD.library_path = join(libraries, 'libvulkan_lvp.so');
  await writeFile(join(root, DRIVER), JSON.stringify(icd));
  return {
    VK_DRIVER_FILES: join(root, DRIVER),
    LD_LIBRARY_PATH: [libraries, env['LD_LIBRARY_PATH']].filter(Boolean).join(':'),
    // The driver does not distinguish kernels in its cache by the width, so the folder has it in its name.
    MESA_SHADER_CACHE_DIR: join(cacheDir, 'shaders-128'),
    // Most tests run a kernel a few times only, so compiling it takes longer than running it. Without
    // optimization, vectors of the processor's full width take twice as long in both.
    GALLIVM_PERF: 'nopt',
    LP_NATIVE_VECTOR_WIDTH: '128',
  };
}

async function mlxForLinux(
  cacheDir: string,
  env: NodeJS.ProcessEnv,
): Promise<Record<string, string>> {
  if (process.platform !== 'linux' || isSet('DINF_MLX', env)) return {};
  const folder = await pythonPackages(join(cacheDir, `mlx-${MLX}`), mlxPackages, {
    env,
    withDependencies: false,
  });
  return { DINF_MLX: join(folder, 'mlx') };
}
