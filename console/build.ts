import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';

/** Folder of the source of the pages. */
export const CONSOLE_SOURCE = join(import.meta.dirname, 'web');
/** Folder of the built pages: `index.html`, and `assets/` with a digest in each name. */
export const CONSOLE_FILES = join(import.meta.dirname, 'dist');

const PAGE = 'index.html';
/** The pages for customers and machine owners, and those for operators. */
const ENTRIES = [PAGE, 'operator.html'];

interface BuildOptions {
  readonly source?: string;
  readonly output?: string;
}

/**
 * Builds the pages of the console from their source, and compresses them. Vite is loaded here and
 * nowhere else, because an installed package contains the built pages and has no Vite.
 */
export async function buildConsole({
  source = CONSOLE_SOURCE,
  output = CONSOLE_FILES,
}: BuildOptions = {}): Promise<void> {
  const { build } = await import('vite');
  const folder = mkdtempSync(join(tmpdir(), 'dinf-console-'));
  try {
    await build({
      configFile: false,
      root: source,
      logLevel: 'warn',
      build: {
        outDir: folder,
        emptyOutDir: true,
        target: 'es2023',
        // The content security policy forbids inline scripts and styles.
        assetsInlineLimit: 0,
        rollupOptions: { input: ENTRIES.map((name) => join(source, name)) },
        modulePreload: { polyfill: false },
      },
    });
    compressFiles(folder);
    rmSync(output, { recursive: true, force: true });
    // The page comes last: a folder with the page is complete.
    cpSync(folder, output, { recursive: true, filter: (path) => path !== join(folder, PAGE) });
    cpSync(join(folder, PAGE), join(output, PAGE));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const TEXT = /\.(html|css|js|svg)$/;

/** Writes each text file compressed beside itself, so that the server need not compress it. */
function compressFiles(folder: string): void {
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!TEXT.test(name)) continue;
    const path = join(folder, name);
    const content = readFileSync(path);
    writeFileSync(`${path}.br`, brotliCompressSync(content));
    writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }));
  }
}

if (import.meta.main) {
  const [source, output] = process.argv.slice(2);
  await buildConsole({ ...(source && { source }), ...(output && { output }) });
}
