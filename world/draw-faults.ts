import { FORMER_CUSTOMER } from './customers.ts';
import { leafOf, type WorldFault } from './faults.ts';
import { TRICKS } from './hostile-machine.ts';
import { SeededNumbers } from './virtual/seeded-numbers.ts';

const MOST_FAULTS = 10;
const SHORTEST_MS = 200;
const LONGEST_MS = 20_000;
/** After so long without a sign of a process, another one takes its work, in milliseconds. */
const NOTICED_MS = 5_000;
const LONGEST_CLOCK_MS = 600_000;
/** So many faults meet a process that another fault already has in trouble. */
const SECOND_FAULTS = 0.3;
/** Longest interruption that ends no answer, in milliseconds. */
const INTERRUPTION_MS = 2_000;
/** Shorter pauses between two faults are too short for an answer to go on, in milliseconds. */
const PAUSE_MS = 2_000;
/** Time without faults after one that no other meets, in milliseconds. */
const ALONE_MS = 8_000;
const HUB = 'hub';
const POSTGRES = 'postgres';

/** The names of the hosts that can fail. */
interface Hosts {
  readonly processes: readonly string[];
  readonly machines: readonly string[];
}

interface Span {
  readonly from: number;
  readonly to: number;
}

interface Lengths {
  readonly shortestMs: number;
  readonly longestMs: number;
}

type Draw = (random: SeededNumbers, hosts: Hosts, span: Span) => WorldFault[];

/**
 * What goes wrong, by seed: the seeds 1 to 15 have one of each, and so have the next fifteen. Four
 * of them have faults of all kinds. The others have one kind, because then more must hold: a rule
 * can state what survives it.
 */
const CLIMATES: readonly [Draw, ...Draw[]] = [
  mixed,
  lossyLeaves,
  interruptions,
  mixed,
  killedIngresses,
  failingMachines,
  mixed,
  lostReceipts,
  hostileMachines,
  mixed,
  forgedReceipts,
  failingDatabase,
  failingHub,
  routersInTurn,
  machinesInTurn,
];

/** The faults of a world between two times, which follow from its seed. */
export function drawFaults(seed: number, hosts: Hosts, span: Span): WorldFault[] {
  // Numbers of their own: otherwise every change of the start would change the faults of a seed.
  const random = new SeededNumbers(seed, 'faults');
  const draw = CLIMATES[(seed - 1) % CLIMATES.length] ?? mixed;
  return draw(random, hosts, span).toSorted((one, other) => one.at - other.at);
}

/** Up to ten faults of all kinds, some of which meet one another. */
function mixed(random: SeededNumbers, hosts: Hosts, span: Span): WorldFault[] {
  return repeated(random.integer(MOST_FAULTS + 1), () => {
    const fault = anyFault(random, hosts, span);
    return random.chance(SECOND_FAULTS) ? [fault, secondFault(random, hosts, fault)] : [fault];
  });
}

/** Every leaf loses and doubles messages, one after the other or together. */
function lossyLeaves(random: SeededNumbers, { machines }: Hosts, span: Span): WorldFault[] {
  return machines.map((machine) => ({
    at: timed(random, span).at,
    forMs: LONGEST_MS,
    kind: 'lossy',
    host: leafOf(machine),
  }));
}

/** Short interruptions of anything. */
function interruptions(random: SeededNumbers, hosts: Hosts, span: Span): WorldFault[] {
  return inTurn(
    random,
    { ...span, shortestMs: SHORTEST_MS, longestMs: INTERRUPTION_MS },
    (times) =>
      random.chance(0.5)
        ? { ...times, kind: 'freeze', host: anyHost(random, hosts) }
        : { ...times, kind: 'cut', ...anyLink(random, hosts) },
  );
}

/** Whether every fault is a short interruption that no other one meets. */
export const interruptsAlone = (faults: readonly WorldFault[]): boolean =>
  faults.every(({ kind, forMs }) => kind !== 'kill' && forMs <= INTERRUPTION_MS) &&
  areInTurn(faults);

/** The two routers are killed, frozen and cut off, so that the other one must lead. */
function routersInTurn(random: SeededNumbers, { processes }: Hosts, span: Span): WorldFault[] {
  const routers = processes.filter((name) => name.startsWith('routing'));
  return inTurn(random, { ...span, shortestMs: NOTICED_MS, longestMs: LONGEST_MS }, (times) => {
    const kind = random.one(['kill', 'freeze', 'cut'] as const);
    const host = random.one(routers);
    return kind === 'cut' ? { ...times, kind, host, other: HUB } : { ...times, kind, host };
  });
}

/** Machines and leaves are killed and frozen, so that the others must continue their answers. */
function machinesInTurn(random: SeededNumbers, { machines }: Hosts, span: Span): WorldFault[] {
  return inTurn(random, { ...span, shortestMs: NOTICED_MS, longestMs: LONGEST_MS }, (times) => ({
    ...times,
    kind: random.one(['kill', 'freeze']),
    host: random.one([...machines, ...machines.map(leafOf)]),
  }));
}

/** Faults of which each begins some time after the one before it has ended. */
function inTurn(
  random: SeededNumbers,
  { from, to, ...lengths }: Span & Lengths,
  draw: (times: { at: number; forMs: number }) => WorldFault,
): WorldFault[] {
  const faults: WorldFault[] = [];
  for (let at = from; at < to; ) {
    const forMs = duration(random, lengths);
    faults.push(draw({ at, forMs }));
    at += forMs + ALONE_MS;
  }
  return faults;
}

/** Whether each fault is over, for some time, when the next one begins, and none lasts. */
export const areInTurn = (faults: readonly WorldFault[]): boolean =>
  faults.every(
    ({ kind, at, forMs }, index) =>
      (kind === 'kill' || kind === 'freeze' || kind === 'cut') &&
      at + forMs + ALONE_MS <= (faults[index + 1]?.at ?? Number.POSITIVE_INFINITY),
  );

/** The longest time without a pause of `PAUSE_MS` between two faults, in milliseconds. */
export function longestTroubleMs(faults: readonly WorldFault[]): number {
  let [longest, begin, end] = [0, 0, Number.NEGATIVE_INFINITY];
  for (const { at, forMs } of faults) {
    if (at >= end + PAUSE_MS) begin = at;
    end = Math.max(end, at + forMs);
    longest = Math.max(longest, end - begin);
  }
  return longest;
}

/** The ingresses are killed again and again while they stream answers. */
function killedIngresses(random: SeededNumbers, { processes }: Hosts, span: Span): WorldFault[] {
  const ingresses = processes.filter((name) => name.startsWith('ingress'));
  return repeated(MOST_FAULTS, () => [
    { at: timed(random, span).at, kind: 'kill', host: random.one(ingresses), forMs: SHORTEST_MS },
  ]);
}

/** Receipts settle the jobs of killed ingresses, and leaves lose some of them. */
function lostReceipts(random: SeededNumbers, hosts: Hosts, span: Span): WorldFault[] {
  return [...killedIngresses(random, hosts, span), ...lossyLeaves(random, hosts, span)];
}

/** Receipts settle the jobs of killed ingresses, and a machine claims more in them. */
function forgedReceipts(random: SeededNumbers, hosts: Hosts, span: Span): WorldFault[] {
  const forger: WorldFault = {
    at: span.from,
    forMs: span.to - span.from,
    kind: 'hostile',
    host: hosts.machines.at(-1) ?? '',
    trick: 'forges_proofs',
  };
  return [...killedIngresses(random, hosts, span), forger];
}

/** Machines and their leaves fail, except for one; the coordinator does not. */
function failingMachines(random: SeededNumbers, hosts: Hosts, span: Span): WorldFault[] {
  const machines = hosts.machines.slice(1);
  const failing = [...machines, ...machines.map(leafOf)];
  return repeated(MOST_FAULTS, () => [
    { ...timed(random, span), kind: random.one(['kill', 'freeze']), host: random.one(failing) },
  ]);
}

/** Machines try one trick after the other; one machine and a customer are removed. */
function hostileMachines(random: SeededNumbers, hosts: Hosts, span: Span): WorldFault[] {
  const [, ...others] = hosts.machines;
  const forMs = Math.floor((span.to - span.from) / TRICKS.length);
  return [
    ...TRICKS.map(
      (trick, index): WorldFault => ({
        at: span.from + index * forMs,
        forMs,
        kind: 'hostile',
        host: random.one(others.slice(0, -1)),
        trick,
      }),
    ),
    removal(random, hosts, span),
    keyRemoval(random, span),
  ];
}

/** Postgres is away again and again, and components that use it are killed meanwhile. */
function failingDatabase(random: SeededNumbers, { processes }: Hosts, span: Span): WorldFault[] {
  return againAndAgain(random, span, {
    host: POSTGRES,
    kinds: ['kill', 'freeze'],
    killed: () => processes,
  });
}

/** The hub is away or stores nothing, again and again; it or a component is killed meanwhile. */
function failingHub(random: SeededNumbers, { processes }: Hosts, span: Span): WorldFault[] {
  return againAndAgain(random, span, {
    host: HUB,
    kinds: ['kill', 'freeze', 'full_disk'],
    killed: () => random.one([processes, [HUB]]),
  });
}

/** Faults of one host, during each of which one of the processes `killed` is killed. */
function againAndAgain(
  random: SeededNumbers,
  span: Span,
  of: {
    readonly host: string;
    readonly kinds: readonly [WorldFault['kind'], ...WorldFault['kind'][]];
    readonly killed: () => readonly string[];
  },
): WorldFault[] {
  return repeated(MOST_FAULTS / 2, () => {
    const away: WorldFault = { ...timed(random, span), kind: random.one(of.kinds), host: of.host };
    return [away, secondFault(random, { processes: of.killed() }, away)];
  });
}

/** Always the same machine, so that the others can serve everything. */
const removal = (random: SeededNumbers, { machines }: Hosts, span: Span): WorldFault => ({
  at: timed(random, span).at,
  forMs: 0,
  kind: 'removal',
  host: machines.at(-1) ?? '',
});

const keyRemoval = (random: SeededNumbers, span: Span): WorldFault => ({
  at: timed(random, span).at,
  forMs: 0,
  kind: 'key_removal',
  host: FORMER_CUSTOMER,
});

/** One machine stays honest, so that the others can be avoided. */
const hostile = (random: SeededNumbers, { machines }: Hosts, span: Span): WorldFault => ({
  ...timed(random, span),
  kind: 'hostile',
  host: random.one(machines.slice(1)),
  trick: random.one(TRICKS),
});

const repeated = (times: number, draw: () => WorldFault[]): WorldFault[] =>
  Array.from({ length: times }, draw).flat();

const timed = (random: SeededNumbers, { from, to }: Span) => ({
  at: Math.round(random.between(from, to)),
  forMs: duration(random, { shortestMs: SHORTEST_MS, longestMs: LONGEST_MS }),
});

/** Short and long times are equally likely: half of them are shorter than the geometric mean. */
const duration = (random: SeededNumbers, { shortestMs, longestMs }: Lengths): number =>
  Math.round(shortestMs * (longestMs / shortestMs) ** random.fraction());

/** Every kind of host fails as often as the others, however many of it there are. */
const anyHost = (random: SeededNumbers, { processes, machines }: Hosts): string =>
  random.one(random.one([[HUB], [POSTGRES], processes, processes, machines, machines.map(leafOf)]));

const anyLink = (
  random: SeededNumbers,
  { processes, machines }: Hosts,
): { host: string; other: string } =>
  random.one([
    { host: random.one(processes), other: HUB },
    { host: random.one(processes), other: POSTGRES },
    { host: leafOf(random.one(machines)), other: HUB },
  ]);

const KINDS = [
  'kill',
  'kill',
  'freeze',
  'cut',
  'lossy',
  'full_disk',
  'clock',
  'hostile',
  'removal',
  'key_removal',
] as const;

function anyFault(random: SeededNumbers, hosts: Hosts, span: Span): WorldFault {
  const { processes, machines } = hosts;
  const times = timed(random, span);
  const kind = random.one(KINDS);
  switch (kind) {
    case 'kill':
    case 'freeze':
      return { ...times, kind, host: anyHost(random, hosts) };
    case 'cut':
      return { ...times, kind, ...anyLink(random, hosts) };
    case 'lossy':
      return { ...times, kind, host: leafOf(random.one(machines)) };
    case 'full_disk':
      return { ...times, kind, host: HUB };
    case 'clock': {
      const byMs = Math.round(random.between(-LONGEST_CLOCK_MS, LONGEST_CLOCK_MS));
      return { ...times, kind, host: random.one([...processes, ...machines]), byMs };
    }
    case 'hostile':
      return hostile(random, hosts, span);
    case 'key_removal':
      return keyRemoval(random, span);
    case 'removal':
      return removal(random, hosts, span);
  }
}

/**
 * A process is killed while the first fault lasts: what it could not write anywhere is lost with
 * it.
 */
function secondFault(
  random: SeededNumbers,
  { processes }: Pick<Hosts, 'processes'>,
  { at, forMs }: WorldFault,
): WorldFault {
  return {
    at: Math.round(random.between(at, at + forMs)),
    kind: 'kill',
    host: random.one(processes),
    forMs: SHORTEST_MS,
  };
}
