/** What the package contains, by its place in the repository. */

/** The module for customers, as `d-inference/client`. */
export const CLIENT = 'client/mod.ts';

/** Modules that users start or import. The package also contains every module that these import. */
export const ENTRIES = ['bin/dinf.mjs', 'bin/dinf.ts', CLIENT];

/**
 * Modules for the people who change the code: commands that `parts` in program.ts does not load
 * outside a checkout, and the build of the console, whose result is in the package.
 */
export const DEVELOPMENT_MODULES = [
  'cli/test.ts',
  'cli/bench.ts',
  'cli/chaos.ts',
  'cli/package.ts',
  'cli/soak.ts',
  'cli/world.ts',
  'console/ensure-built.ts',
];

interface Assets {
  readonly folder: string;
  readonly files: RegExp;
}

/** Files beside the modules that the program reads. */
export const ASSETS: readonly Assets[] = [
  { folder: 'coordinator', files: /\.(sql|pem)$/ },
  { folder: 'console/dist', files: /\.(html|css|js|svg|br|gz)$/ },
  // The addons are compiled on the user's machine at the first start.
  { folder: 'native', files: /\.(cc|h)$/ },
  { folder: 'tiny-model/dinf-tiny-4bit', files: /\.(json|jinja|safetensors)$/ },
  // The history of benchmarks is for the people who change the code.
  { folder: 'docs', files: /^(?!bench\/).*\.(md|json)$/ },
  { folder: 'packaging/monitoring', files: /(?<!\.test)\.(yml|json)$/ },
];
/** Files at the top of the repository. */
export const TOP_FILES = ['CHANGELOG.md', 'LICENSE', 'README.md', 'SECURITY.md'];
