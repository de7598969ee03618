import { join, resolve } from 'node:path';
import type { Command } from 'commander';

const root = resolve(import.meta.dirname, '..');

export function addCommands(program: Command): void {
  program
    .command('package')
    .description('pack this program as an npm package, with JavaScript instead of TypeScript')
    .option('--output <folder>', 'folder for the archive; dist in the repository when left out')
    .action(async ({ output = join(root, 'dist') }: { output?: string }) => {
      const { buildPackage } = await import('#packaging/npm/build-package.ts');
      const { path, files, sha256 } = await buildPackage(root, resolve(output));
      console.log(`${path}\n${files} files, sha256 ${sha256}`);
    });
}
