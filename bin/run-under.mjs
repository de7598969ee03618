// Runs this program under another Node with the same terminal, signals and exit code. If this
// process is killed with SIGKILL, the child notices that its parent is gone (watchParent) and stops
// by itself.
import { spawn } from 'node:child_process';

const POLL_MS = 500;

/**
 * @param {string} node
 * @param {string[]} args
 */
export async function runUnder(node, args) {
  const child = spawn(node, args, {
    stdio: 'inherit',
    env: { ...process.env, DINF_PARENT: String(process.pid) },
  });
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2']))
    process.on(signal, () => child.kill(signal));
  const watch = startedByNpm() ? watchParent(process.ppid, () => child.kill('SIGTERM')) : undefined;
  const [code, signal] = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (...end) => resolve(end));
  });
  clearInterval(watch);
  if (!signal) {
    process.exitCode = code;
    return;
  }
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}

/**
 * Whether npm started this process. If `npm start` is killed, the network must stop too, whereas
 * `nohup dinf up &` may outlive its shell.
 */
export const startedByNpm = () => process.env['npm_lifecycle_event'] !== undefined;

/**
 * Calls `onGone` when the parent process has ended. It polls, because that works on Linux and macOS
 * alike and needs no channel to the parent.
 * @param {number} parent
 * @param {() => void} onGone
 */
export function watchParent(parent, onGone) {
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    onGone();
  }, POLL_MS);
  return timer.unref();
}
