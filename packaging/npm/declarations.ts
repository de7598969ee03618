import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Returns the type declarations of a module and of all modules that it imports, by their path from
 * the root. The compiler reads the settings of the repository's tsconfig.json.
 */
export function declarationsOf(root: string, entry: string): Map<string, string> {
  const folder = mkdtempSync(join(tmpdir(), 'dinf-declarations-'));
  try {
    const project = join(folder, 'tsconfig.json');
    const output = join(folder, 'out');
    writeFileSync(
      project,
      JSON.stringify({
        extends: join(root, 'tsconfig.json'),
        compilerOptions: {
          noEmit: false,
          declaration: true,
          emitDeclarationOnly: true,
          rootDir: root,
          outDir: output,
          typeRoots: [join(root, 'node_modules', '@types')],
        },
        include: [],
        files: [join(root, entry)],
      }),
    );
    const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    const { status, stdout, stderr } = spawnSync(process.execPath, [compiler, '-p', project], {
      cwd: root,
      encoding: 'utf8',
    });
    if (status !== 0)
      throw new Error(`the type declarations of ${entry} were not made: ${stdout}${stderr}`);
    return new Map(
      readdirSync(output, { recursive: true, encoding: 'utf8' })
        .filter((name) => /\.d\.m?ts$/.test(name))
        .map((name) => [name.split('\\').join('/'), readFileSync(join(output, name), 'utf8')]),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
