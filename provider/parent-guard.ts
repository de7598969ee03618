import { spawn, spawnSync } from 'node:child_process';

/**
 * How a child is ended when its parent is killed. `kernel`: setpriv asks Linux to send the child a
 * signal when its parent dies. `watcher`: a shell reads a pipe whose other end only the parent has
 * open, and sends the signal when the pipe is closed.
 */
export type ParentGuard = 'kernel' | 'watcher';

export type DeathSignal = 'SIGKILL' | 'SIGINT' | 'SIGTERM';

let kernelGuardWorks: boolean | undefined;

export function availableGuard(): ParentGuard {
  kernelGuardWorks ??=
    process.platform === 'linux' &&
    spawnSync('setpriv', ['--pdeathsig', 'KILL', 'true']).status === 0;
  return kernelGuardWorks ? 'kernel' : 'watcher';
}

const shortName = (signal: DeathSignal): string => signal.slice('SIG'.length);

/**
 * The arguments to put before a command line. A program that changes the user must stand before
 * them, because Linux clears the request when the credentials of a process change.
 */
export function kernelGuardPrefix(signal: DeathSignal): string[] {
  return ['setpriv', '--pdeathsig', shortName(signal), '--'];
}

const WATCH = `IFS= read -r pid || exit 0
while IFS= read -r _; do :; done
kill -$1 "$pid" 2>/dev/null
[ "$1" = KILL ] && exit 0
sleep 10
kill -KILL "$pid" 2>/dev/null`;

export type Watcher = { watch(pid: number): void; release(): void };

/**
 * Starts the watcher. Call it before the child is started, so that the child is unguarded only
 * between its spawn and the call of `watch`.
 */
export function startWatcher(signal: DeathSignal): Watcher {
  const shell = spawn('/bin/sh', ['-c', WATCH, 'dinf-watcher', shortName(signal)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  shell.unref();
  // The shell may have ended before the write or the release. These errors are ignored, because the
  // caller observes the exit of the child itself.
  shell.stdin.on('error', () => undefined);
  shell.on('error', () => undefined);
  return {
    watch: (pid) => void shell.stdin.write(`${pid}\n`),
    release: () => void shell.kill('SIGKILL'),
  };
}
