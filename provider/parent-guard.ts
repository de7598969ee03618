import { spawn, spawnSync } from 'node:child_process';

/**
 * How a child learns that its parent was killed. `kernel`: the child asks Linux for a signal
 * (setpriv),
 * which nothing can outrun. `watcher`: a shell that reads a pipe whose other end only the parent
 * holds.
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
 * What to put before a command line. It must come after anything that changes credentials, which
 * clears the request.
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
 * Started before the child, so that no moment is left unwatched but that between spawn and `watch`.
 */
export function startWatcher(signal: DeathSignal): Watcher {
  const shell = spawn('/bin/sh', ['-c', WATCH, 'dinf-watcher', shortName(signal)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  shell.unref();
  // The shell may be gone already when we write or release; the child's own exit is what counts
  // then.
  shell.stdin.on('error', () => undefined);
  shell.on('error', () => undefined);
  return {
    watch: (pid) => void shell.stdin.write(`${pid}\n`),
    release: () => void shell.kill('SIGKILL'),
  };
}
