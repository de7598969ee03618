import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';

interface PackageOptions {
  readonly output?: string;
  readonly url?: string;
}

const root = resolve(import.meta.dirname, '..');

export function addCommands(program: Command): void {
  program
    .command('package')
    .description('pack this program as an npm package, with JavaScript instead of TypeScript')
    .option('--output <folder>', 'folder for the archive; dist in the repository when left out')
    .option('--url <url>', 'where the archive will be published; writes a Homebrew formula for it')
    .action(({ output = join(root, 'dist'), url }: PackageOptions) => pack(resolve(output), url));
}

async function pack(output: string, url: string | undefined): Promise<void> {
  const { buildPackage } = await import('#packaging/npm/build-package.ts');
  const { path, files, ...release } = await buildPackage(root, output);
  console.log(`${path}\n${files} files, sha256 ${release.sha256}`);
  if (url === undefined) return;
  const { homebrewFormula } = await import('#packaging/homebrew/formula.ts');
  const formula = join(output, 'dinf.rb');
  await writeFile(formula, homebrewFormula({ ...release, url }));
  console.log(formula);
}
