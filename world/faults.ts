import type { WorldNetwork } from './network.ts';
import type { SeededNumbers } from './virtual/seeded-numbers.ts';
import type { World } from './world.ts';

/** One thing that goes wrong. A world can be repeated with some of them left out. */
export interface WorldFault {
  /** Milliseconds after the customers have begun to ask. */
  readonly at: number;
  readonly kind: 'kill' | 'freeze' | 'cut' | 'full_disk' | 'clock';
  /** The host that it concerns; of a cut, one of its ends. */
  readonly host: string;
  /** The other end of a cut. */
  readonly other?: string;
  readonly forMs: number;
  /** What a clock shows beyond the true time from then on, in milliseconds. */
  readonly byMs?: number;
}

const MOST_FAULTS = 6;
const SHORTEST_MS = 300;
const LONGEST_MS = 20_000;
const LONGEST_CLOCK_MS = 600_000;
const HUB = 'hub';
const POSTGRES = 'postgres';

/** The faults of a world between two times, which follow from its seed. */
export function drawFaults(
  random: SeededNumbers,
  network: Pick<WorldNetwork, 'processes' | 'machines'>,
  { from, to }: { from: number; to: number },
): WorldFault[] {
  const processes = network.processes.map(({ name }) => name);
  const machines = network.machines.map(({ name }) => name);
  const leaves = machines.map((name) => leafOf(name));
  const any = <Value>(of: readonly Value[]) => of[random.integer(of.length)] as Value;
  const hosts = [HUB, POSTGRES, ...processes, ...machines, ...leaves];
  const draw = (): WorldFault => {
    const timed = {
      at: Math.round(random.between(from, to)),
      forMs: Math.round(SHORTEST_MS * (LONGEST_MS / SHORTEST_MS) ** random.fraction()),
    };
    const kind = any(['kill', 'kill', 'freeze', 'cut', 'full_disk', 'clock'] as const);
    switch (kind) {
      case 'kill':
      case 'freeze':
        return { ...timed, kind, host: any(hosts) };
      case 'cut': {
        const [host, other] = any([
          [any(processes), HUB],
          [any(processes), POSTGRES],
          [any(leaves), HUB],
        ] as const);
        return { ...timed, kind, host, other };
      }
      case 'full_disk':
        return { ...timed, kind, host: HUB };
      case 'clock': {
        const byMs = Math.round(random.between(-LONGEST_CLOCK_MS, LONGEST_CLOCK_MS));
        return { ...timed, kind, host: any([...processes, ...machines]), byMs };
      }
    }
  };
  const faults = Array.from({ length: random.integer(MOST_FAULTS + 1) }, draw);
  return faults.toSorted((one, other) => one.at - other.at);
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
  if (host === undefined) return;
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
    case 'full_disk':
      return `has a full disk for ${time}`;
    case 'clock':
      return `has a clock that is ${(byMs / 1_000).toFixed(0)} s off, for ${time}`;
  }
}
