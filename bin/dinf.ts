// Runs under Node >= 24, before any package is installed: installs missing packages, builds the
// native code, and then starts the program. If nothing is missing, this takes a few milliseconds
// and prints nothing.
import { dirname } from 'node:path';
import { buildNative } from '#native/build.ts';
import { SetupError } from './npm.mjs';
import { startedByNpm, watchParent } from './run-under.mjs';
import { ensurePackages } from './setup/packages.ts';

const GRACE_MS = 10_000;
/** Commands that need the packages for development. */
const DEVELOPMENT = new Set(['test', 'bench', 'package']);
const HELP = new Set(['--help', '-h', '--version', '-V', 'help']);
const root = dirname(import.meta.dirname);
const args = process.argv.slice(2);
/** Help is printed without the native addons, whose first build takes about a minute. */
const onlyPrintsHelp = args.length === 0 || args.some((arg) => HELP.has(arg));
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
    await ensurePackages({ root, dev: DEVELOPMENT.has(args[0] ?? ''), say });
    if (!onlyPrintsHelp) await buildNative({ root, print: say });
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
