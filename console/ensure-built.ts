import { execFile } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { acquireLock } from '#bus-schemas/file-lock.ts';
import { cacheFolder } from '#bus-schemas/program-folders.mjs';
import { CONSOLE_FILES, CONSOLE_SOURCE } from './build.ts';

interface EnsureOptions {
  readonly say: (line: string) => void;
  readonly source?: string;
  readonly output?: string;
}

/** Builds the pages of a checkout unless they are newer than their source. */
export async function ensureConsoleBuilt({
  say,
  source = CONSOLE_SOURCE,
  output = CONSOLE_FILES,
}: EnsureOptions): Promise<void> {
  if (isBuilt(source, output)) return;
  await using _lock = await acquireLock(join(cacheFolder(process.env), 'console.lock'), {
    onWait: () => say('another dinf is building the console; waiting'),
  });
  if (isBuilt(source, output)) return;
  const started = performance.now();
  await buildApart(source, output);
  say(`built the console in ${((performance.now() - started) / 1_000).toFixed(1)} s`);
}

const BUILD_PROGRAM = join(import.meta.dirname, 'build.ts');

/** Builds in a process of its own: this one would keep the memory of Vite, over 200 MB. */
async function buildApart(source: string, output: string): Promise<void> {
  await promisify(execFile)(process.execPath, [BUILD_PROGRAM, source, output]);
}

/** Whether the page, which is written last, is newer than every file of the source. */
function isBuilt(source: string, output: string): boolean {
  const built = statSync(join(output, 'index.html'), { throwIfNoEntry: false });
  if (built === undefined) return false;
  return readdirSync(source, { recursive: true, encoding: 'utf8' }).every(
    (name) => statSync(join(source, name)).mtimeMs <= built.mtimeMs,
  );
}
