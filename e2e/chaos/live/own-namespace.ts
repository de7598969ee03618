import { execFileSync, spawn } from 'node:child_process';
import { networkInterfaces } from 'node:os';
import { messageOf } from '#bus-schemas/message-of.ts';
import type { Heal } from './faults.ts';

const LOSS = '5%';
/** Makes the loopback interface of a new namespace usable, and becomes the command. */
const WITH_LOOPBACK = 'ip link set lo up && exec "$@"';
const NAMESPACE = ['unshare', '--net', '--', 'sh', '-c', WITH_LOOPBACK, 'sh'] as const;

const run = ([command = '', ...args]: readonly string[]) =>
  void execFileSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });

/** Returns why the commands cannot run; undefined if they can. */
function whyNot(...commands: readonly (readonly string[])[]): string | undefined {
  try {
    for (const command of commands) run(command);
    return undefined;
  } catch (error) {
    return messageOf(error).split('\n').filter(Boolean).at(-1);
  }
}

/** Whether this process has a network of its own, which reaches nothing outside. */
const isInNamespace = (): boolean =>
  Object.keys(networkInterfaces()).every((name) => name === 'lo');

/**
 * Runs the command of this process once more in a network namespace of its own, in which packets can
 * be lost without harm to other programs. Returns its exit code; undefined if it did not run,
 * because this process is in such a namespace already or may make none.
 */
export async function runInNamespace(): Promise<number | undefined> {
  if (isInNamespace() || whyNot([...NAMESPACE, 'true']) !== undefined) return undefined;
  const [command, ...args] = [...NAMESPACE, process.execPath, ...process.argv.slice(1)];
  const child = spawn(command as string, args, { stdio: 'inherit' });
  const forward = (signal: NodeJS.Signals): void => void child.kill(signal);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, forward);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

/** Returns why no fault can concern the whole network; undefined if one can. */
export function whyNoDownLoopback(): string | undefined {
  if (isInNamespace()) return undefined;
  const why = whyNot([...NAMESPACE, 'true']);
  return why === undefined
    ? 'this process shares its network with other programs'
    : `no network namespace: ${why}`;
}

export function whyNoPacketLoss(): string | undefined {
  return (
    whyNoDownLoopback() ??
    whyNot(
      ['tc', 'qdisc', 'add', 'dev', 'lo', 'root', 'netem', 'loss', LOSS],
      ['tc', 'qdisc', 'del', 'dev', 'lo', 'root'],
    )
  );
}

export function losePackets(): Heal {
  run(['tc', 'qdisc', 'add', 'dev', 'lo', 'root', 'netem', 'loss', LOSS]);
  return () => void run(['tc', 'qdisc', 'del', 'dev', 'lo', 'root']);
}

export function downLoopback(): Heal {
  run(['ip', 'link', 'set', 'lo', 'down']);
  return () => void run(['ip', 'link', 'set', 'lo', 'up']);
}
