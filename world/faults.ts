import type { Trick } from './hostile-machine.ts';
import type { WorldNetwork } from './network.ts';
import type { World } from './world.ts';

/** One thing that goes wrong. A world can be repeated with some of them left out. */
export interface WorldFault {
  /** Milliseconds after the customers have begun to ask. */
  readonly at: number;
  readonly kind:
    | 'kill'
    | 'freeze'
    | 'cut'
    | 'lossy'
    | 'full_disk'
    | 'clock'
    | 'hostile'
    | 'removal'
    | 'key_removal';
  /** The host that it concerns; of a cut, one of its ends. */
  readonly host: string;
  /** The other end of a cut. */
  readonly other?: string;
  readonly forMs: number;
  /** What a clock shows beyond the true time from then on, in milliseconds. */
  readonly byMs?: number;
  /** What a hostile machine does. */
  readonly trick?: Trick;
}

export const leafOf = (machine: string): string => `leaf of ${machine}`;

/** Plans the faults. After each of them the world is whole again, except for a removed machine. */
export function planFaults(
  world: World,
  network: WorldNetwork,
  faults: readonly WorldFault[],
): void {
  for (const fault of faults)
    world.time.plan(fault.at, () => begin(world, network, fault), undefined);
}

function begin(world: World, network: WorldNetwork, fault: WorldFault): void {
  const { kind, host: name, other = '', forMs, byMs = 0, trick } = fault;
  const host = world.hostOf(name);
  const after = (work: () => void) => world.time.plan(forMs, work, undefined);
  // A host that is being started again after an earlier fault cannot fail.
  if (kind === 'key_removal') return network.removeKey(name);
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
      return;
    case 'hostile':
      host.trick = trick;
      after(() => {
        if (host.trick === trick) host.trick = undefined;
      });
      return;
    case 'removal':
      network.removeMachine(name);
  }
}

/** A fault as a sentence of the story. */
export function faultSentence({ kind, other, forMs, byMs = 0, trick }: WorldFault): string {
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
    case 'hostile':
      return `is hostile (${trick?.replaceAll('_', ' ')}) for ${time}`;
    case 'removal':
      return 'is removed by an operator';
    case 'key_removal':
      return 'removes its key';
  }
}
