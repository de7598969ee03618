import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { acquireLock } from '#bus-schemas/file-lock.ts';
import { cacheFolder } from '#bus-schemas/program-folders.mjs';
import { buildConsole, CONSOLE_FILES, CONSOLE_SOURCE } from './build.ts';

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
  await buildConsole({ source, output });
  say(`built the console in ${((performance.now() - started) / 1_000).toFixed(1)} s`);
}

/** Whether the page, which is written last, is newer than every file of the source. */
function isBuilt(source: string, output: string): boolean {
  const built = statSync(join(output, 'index.html'), { throwIfNoEntry: false });
  if (built === undefined) return false;
  return readdirSync(source, { recursive: true, encoding: 'utf8' }).every(
    (name) => statSync(join(source, name)).mtimeMs <= built.mtimeMs,
  );
}
