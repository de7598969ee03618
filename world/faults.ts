import type { WorldNetwork } from './network.ts';
import type { SeededNumbers } from './virtual/seeded-numbers.ts';
import type { World } from './world.ts';

/** One thing that goes wrong. A world can be repeated with some of them left out. */
export interface WorldFault {
  /** Milliseconds after the customers have begun to ask. */
  readonly at: number;
  readonly kind: 'kill' | 'freeze' | 'cut' | 'lossy' | 'full_disk' | 'clock';
  /** The host that it concerns; of a cut, one of its ends. */
  readonly host: string;
  /** The other end of a cut. */
  readonly other?: string;
  readonly forMs: number;
  /** What a clock shows beyond the true time from then on, in milliseconds. */
  readonly byMs?: number;
}

const MOST_FAULTS = 10;
const SHORTEST_MS = 200;
const LONGEST_MS = 20_000;
const LONGEST_CLOCK_MS = 600_000;
/** So many faults meet a process that another fault already has in trouble. */
const SECOND_FAULTS = 0.3;
const HUB = 'hub';
const POSTGRES = 'postgres';
const KINDS = ['kill', 'kill', 'freeze', 'cut', 'lossy', 'full_disk', 'clock'] as const;

/** The names of the hosts that can fail. */
interface Hosts {
  readonly processes: readonly string[];
  readonly machines: readonly string[];
}

/** The faults of a world between two times, which follow from its seed. */
export function drawFaults(
  random: SeededNumbers,
  hosts: Hosts,
  { from, to }: { from: number; to: number },
): WorldFault[] {
  const drawn: WorldFault[] = [];
  for (let left = random.integer(MOST_FAULTS + 1); left > 0; left -= 1) {
    const fault = drawFault(random, hosts, { from, to });
    drawn.push(fault);
    if (random.chance(SECOND_FAULTS)) drawn.push(secondFault(random, hosts, fault));
  }
  return drawn.toSorted((one, other) => one.at - other.at);
}

function drawFault(
  random: SeededNumbers,
  { processes, machines }: Hosts,
  { from, to }: { from: number; to: number },
): WorldFault {
  const timed = {
    at: Math.round(random.between(from, to)),
    forMs: Math.round(SHORTEST_MS * (LONGEST_MS / SHORTEST_MS) ** random.fraction()),
  };
  const leaves = machines.map(leafOf);
  const kind = random.one(KINDS);
  switch (kind) {
    case 'kill':
    case 'freeze':
      // Every kind of host fails as often as the others, however many of it there are.
      return {
        ...timed,
        kind,
        host: random.one(random.one([[HUB], [POSTGRES], processes, processes, machines, leaves])),
      };
    case 'cut': {
      const [host, other] = random.one([
        [random.one(processes), HUB],
        [random.one(processes), POSTGRES],
        [random.one(leaves), HUB],
      ] as const);
      return { ...timed, kind, host, other };
    }
    case 'lossy':
      return { ...timed, kind, host: random.one(leaves) };
    case 'full_disk':
      return { ...timed, kind, host: HUB };
    case 'clock': {
      const byMs = Math.round(random.between(-LONGEST_CLOCK_MS, LONGEST_CLOCK_MS));
      return { ...timed, kind, host: random.one([...processes, ...machines]), byMs };
    }
  }
}

/**
 * A process is killed while the first fault lasts: what it could not write anywhere is lost with
 * it.
 */
function secondFault(
  random: SeededNumbers,
  { processes }: Hosts,
  { at, forMs }: WorldFault,
): WorldFault {
  return {
    at: Math.round(random.between(at, at + forMs)),
    kind: 'kill',
    host: random.one(processes),
    forMs: SHORTEST_MS,
  };
}

export const leafOf = (machine: string): string => `leaf of ${machine}`;

/** Plans the faults. After each of them the world is whole again. */
export function planFaults(
  world: World,
  network: WorldNetwork,
  faults: readonly WorldFault[],
): void {
  for (const fault of faults)
    world.time.plan(fault.at, () => begin(world, network, fault), undefined);
}

function begin(world: World, network: WorldNetwork, fault: WorldFault): void {
  const { kind, host: name, other = '', forMs, byMs = 0 } = fault;
  const host = world.hostOf(name);
  const after = (work: () => void) => world.time.plan(forMs, work, undefined);
  // A host that is being started again after an earlier fault cannot fail.
  if (host?.isAlive !== true) return;
  world.tell(name, faultSentence(fault));
  switch (kind) {
    case 'kill':
      host.kill();
      after(() => network.restart(name));
      return;
    case 'freeze':
      host.frozenUntil = Math.max(host.frozenUntil, world.time.now + forMs);
      return;
    case 'cut': {
      const from = host.address;
      const to = world.hostOf(other)?.address ?? '';
      world.cables.cut(from, to);
      after(() => world.cables.mend(from, to));
      return;
    }
    case 'lossy':
      host.isLossy = true;
      after(() => {
        host.isLossy = false;
      });
      return;
    case 'full_disk':
      world.hubDisk.isFull = true;
      after(() => {
        world.hubDisk.isFull = false;
      });
      return;
    case 'clock':
      host.clockOffsetMs = byMs;
      after(() => {
        host.clockOffsetMs = 0;
      });
  }
}

/** A fault as a sentence of the story. */
export function faultSentence({ kind, other, forMs, byMs = 0 }: WorldFault): string {
  const time = `${(forMs / 1_000).toFixed(1)} s`;
  switch (kind) {
    case 'kill':
      return `is killed, and started again after ${time}`;
    case 'freeze':
      return `freezes for ${time}`;
    case 'cut':
      return `cannot reach ${other} for ${time}`;
    case 'lossy':
      return `loses and repeats messages for ${time}`;
    case 'full_disk':
      return `has a full disk for ${time}`;
    case 'clock':
      return `has a clock that is ${(byMs / 1_000).toFixed(0)} s off, for ${time}`;
  }
}
