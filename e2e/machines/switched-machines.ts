import { execFileSync } from 'node:child_process';

/**
 * Machines of a small network of their own: Linux network namespaces, each with one address, that
 * are connected by a switch in a further namespace. Nothing in them reaches the world outside.
 */
export interface SwitchedMachines extends Disposable {
  /** Address of a machine, for example 10.214.0.1 for machine 1. */
  address(machine: number): string;
  /** Words to put before a command line, so that it runs on that machine. */
  on(machine: number): readonly string[];
}

const ip = (...args: string[]) => execFileSync('ip', args, { stdio: 'pipe' });

/** Returns why this user cannot make network namespaces; undefined if they can. */
export function whyNoNamespaces(): string | undefined {
  const name = `dinf-try-${process.pid}`;
  try {
    ip('netns', 'add', name);
    ip('netns', 'delete', name);
    return undefined;
  } catch (error) {
    return `network namespaces cannot be made: ${error instanceof Error ? error.message.split('\n', 1)[0] : error}`;
  }
}

export function startMachines(count: number): SwitchedMachines {
  using made = new DisposableStack();
  const namespace = (name: string): string => {
    ip('netns', 'add', name);
    made.defer(() => void ip('netns', 'delete', name));
    return name;
  };
  const prefix = `dinf-${process.pid}`;
  const hub = namespace(`${prefix}-switch`);
  ip('-n', hub, 'link', 'add', 'switch', 'type', 'bridge');
  ip('-n', hub, 'link', 'set', 'switch', 'up');
  const address = (machine: number) => `10.214.0.${machine}`;
  for (let machine = 1; machine <= count; machine += 1) {
    const name = namespace(`${prefix}-${machine}`);
    const cable = `cable${machine}`;
    ip('-n', name, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', cable, 'netns', hub);
    ip('-n', hub, 'link', 'set', cable, 'master', 'switch', 'up');
    ip('-n', name, 'addr', 'add', `${address(machine)}/24`, 'dev', 'eth0');
    ip('-n', name, 'link', 'set', 'eth0', 'up');
    ip('-n', name, 'link', 'set', 'lo', 'up');
  }
  const owned = made.move();
  return {
    address,
    on: (machine) => ['ip', 'netns', 'exec', `${prefix}-${machine}`],
    [Symbol.dispose]: () => owned.dispose(),
  };
}
