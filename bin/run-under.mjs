// A process of ours under another Node: same terminal, same signals, same end. If we are killed outright, it notices that its
// parent has gone (watchParent) and stops by itself.
import { spawn } from 'node:child_process';

const POLL_MS = 500;

/**
 * @param {string} node
 * @param {string[]} args
 */
export async function runUnder(node, args) {
  const child = spawn(node, args, { stdio: 'inherit', env: { ...process.env, DINF_PARENT: String(process.pid) } });
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) process.on(signal, () => child.kill(signal));
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

/** `npm start` killed outright must not leave us running, while `nohup dinf up &` may outlive its shell. */
export const startedByNpm = () => process.env['npm_lifecycle_event'] !== undefined;

/**
 * Polled, because that works on Linux and macOS alike and needs no channel to the parent.
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
