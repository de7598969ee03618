import { rmSync, writeFileSync } from 'node:fs';
import { whyNoMemoryGroups } from '#testcontainers';
import { type ChaosNetwork, HUB, POSTGRES } from './chaos-network.ts';
import { whyNoFaultyDisk } from './faulty-disk.ts';
import { limitMemory } from './memory-limit.ts';
import { downLoopback, losePackets, whyNoDownLoopback, whyNoPacketLoss } from './own-namespace.ts';
import { signalTo } from './part.ts';
import type { ChaosFault, FaultKind, Targets } from './schedule.ts';

/** Ends a fault. A returned sentence says what the fault did. */
export type Heal = () => Promise<string | undefined> | string | undefined;

/** The leaves are nodes of the processes of machines: their parents start them again. */
const LEAVES = ' (leaves)';
const LEAF = 'nats-server';
const NETWORK = 'all processes';

/** Names what each kind can concern. It does not depend on the computer. */
export function targetsOf({ components, fleets, links }: ChaosNetwork): Targets {
  const processes = [HUB, POSTGRES, ...components, ...fleets];
  const leaves = fleets.map((fleet) => `${fleet}${LEAVES}`);
  return {
    killed: [...processes, ...leaves],
    frozen: [...processes, ...leaves],
    'link silent': links.names(),
    'link cut': links.names(),
    'disk full': [HUB, POSTGRES],
    'disk slow': [HUB, POSTGRES],
    'clock off': components,
    'memory short': components,
    'packets lost': [NETWORK],
    'network down': [NETWORK],
  };
}

/** The kinds for which this computer lacks a tool, each with the reason. */
export function missingKinds(): ReadonlyMap<FaultKind, string> {
  const disk = whyNoFaultyDisk();
  const reasons: Partial<Record<FaultKind, string | undefined>> = {
    'disk full': disk,
    'disk slow': disk,
    'memory short': whyNoMemoryGroups(),
    'packets lost': whyNoPacketLoss(),
    'network down': whyNoDownLoopback(),
  };
  return new Map(
    Object.entries(reasons).flatMap(([kind, why]) =>
      why === undefined ? [] : [[kind as FaultKind, why]],
    ),
  );
}

/** Faults for which there is no tool on any computer, each with the reason. */
export const NEVER: Readonly<Record<string, string>> = {
  'clock off, of the hub and Postgres':
    'nats-server asks the kernel for the time without a library that could answer instead, and a time namespace of Linux shifts only the monotonic clock',
};

/** Begins a fault. */
export async function begin(network: ChaosNetwork, fault: ChaosFault): Promise<Heal> {
  const { target } = fault;
  const part = () => partOf(network, target);
  switch (fault.kind) {
    case 'killed':
      return kill(network, target);
    case 'frozen': {
      const pids = pidsOf(network, target);
      signalTo(pids, 'SIGSTOP');
      return () => void signalTo(pids, 'SIGCONT');
    }
    case 'link silent':
      network.links.get(target).pause();
      return () => void network.links.get(target).resume();
    case 'link cut':
      network.links.get(target).cut();
      return () => void network.links.get(target).heal();
    case 'disk full': {
      const empty = network.disks.get(target)?.fill();
      return () => void empty?.();
    }
    case 'disk slow': {
      const end = network.disks.get(target)?.slow();
      return async () => void (await end?.());
    }
    case 'clock off': {
      const file = network.clockFile(target);
      writeFileSync(file, String(fault.shiftMs));
      return () => void rmSync(file);
    }
    case 'memory short':
      return limitMemory(part());
    case 'packets lost':
      return losePackets();
    case 'network down':
      return downLoopback();
  }
}

async function kill(network: ChaosNetwork, target: string): Promise<Heal> {
  if (!target.endsWith(LEAVES)) {
    const part = partOf(network, target);
    const release = await part.kill();
    // The fault lasts until the process runs again: how long it takes to start depends on the computer.
    return async () => {
      release();
      await part.whenRunning();
      return undefined;
    };
  }
  signalTo(pidsOf(network, target), 'SIGKILL');
  return () => 'the machines started their leaves again by themselves';
}

function pidsOf(network: ChaosNetwork, target: string): number[] {
  return target.endsWith(LEAVES)
    ? partOf(network, target.slice(0, -LEAVES.length)).pids(LEAF)
    : partOf(network, target).pids();
}

function partOf({ parts }: ChaosNetwork, name: string) {
  const part = parts.get(name);
  if (part === undefined) throw new Error(`the network has no part "${name}"`);
  return part;
}

/** Says what goes wrong, for example "Postgres is frozen". */
export function sentenceOf({ kind, target, shiftMs }: ChaosFault): string {
  switch (kind) {
    case 'link silent':
      return `nothing passes between ${target}`;
    case 'link cut':
      return `every connection between ${target} is cut`;
    case 'disk full':
      return `the disk of ${target} is full`;
    case 'disk slow':
      return `the disk of ${target} makes writes wait`;
    case 'clock off':
      return `the clock of ${target} is off by ${Math.round(shiftMs / 1_000)} s`;
    case 'memory short':
      return `${target} gets no more memory`;
    case 'packets lost':
      return `${target} lose one packet of 20`;
    case 'network down':
      return `${target} lose every packet`;
    default:
      return `${target} ${target.endsWith(LEAVES) || target.startsWith('machines') ? 'are' : 'is'} ${kind}`;
  }
}
