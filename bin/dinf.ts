// Runs under Node >= 24, before any package is installed: installs missing packages, builds the
// native code, and then starts the program. If nothing is missing, this takes a few milliseconds
// and prints nothing.
import { dirname } from 'node:path';
import { buildNative } from '#native/build.ts';
import { SetupError } from './npm.mjs';
import { startedByNpm, watchParent } from './run-under.mjs';
import { ensurePackages } from './setup/packages.ts';

const GRACE_MS = 10_000;
const root = dirname(import.meta.dirname);
const args = process.argv.slice(2);
const say = (line: string) => process.stderr.write(`dinf: ${line}\n`);

function stopWithParent(): void {
  const wrapper = process.env['DINF_PARENT'];
  delete process.env['DINF_PARENT'];
  if (wrapper === undefined && !startedByNpm()) return;
  watchParent(Number(wrapper ?? process.ppid), () => {
    process.kill(process.pid, 'SIGTERM');
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), GRACE_MS).unref();
  });
}

async function setUp(): Promise<boolean> {
  try {
    await ensurePackages({ root, dev: args[0] === 'test' || args[0] === 'bench', say });
    await buildNative({ root, print: say });
    return true;
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    say(error.message);
    process.exitCode = error.exitCode;
    return false;
  }
}

stopWithParent();
if (await setUp()) {
  const { run } = await import('#cli/program.ts');
  await run(args);
}
