import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { LeaseMessage } from '#bus-schemas';
import { Election, type ElectionOutcome } from './election.ts';

/** A fault of one candidate: its process is paused, or its connection to the hub is cut. */
interface Fault {
  readonly candidate: number;
  readonly at: number;
  readonly lasts: number;
  readonly kind: 'paused' | 'cut';
}

const CANDIDATES = 3;
const STEP_MS = 10;
const TICK_MS = 100;
const FAULTS_UNTIL_MS = 8_000;
/** Long enough after the last fault for the silence, two claims and some reserve. */
const END_MS = FAULTS_UNTIL_MS + 6_000;

/**
 * One hub that delivers every message to every candidate in one order, with delays. Messages from
 * or to a candidate whose connection is cut are lost.
 */
class World {
  now = 0;
  readonly members = Array.from({ length: CANDIDATES }, (_, index) => ({
    election: new Election({ holder: `router_${index}`, epoch: 1, now: 0 }),
    inbox: [] as { message: LeaseMessage; at: number }[],
    answer: undefined as { isAnotherHolding: boolean; at: number } | undefined,
    isConnected: false,
  }));
  readonly #faults: readonly Fault[];
  readonly #delays: readonly number[];

  constructor(faults: readonly Fault[], delays: readonly number[]) {
    this.#faults = faults;
    this.#delays = delays;
  }

  is(kind: Fault['kind'], candidate: number): boolean {
    return this.#faults.some(
      (fault) =>
        fault.kind === kind &&
        fault.candidate === candidate &&
        this.now >= fault.at &&
        this.now < fault.at + fault.lasts,
    );
  }

  step(): void {
    this.now += STEP_MS;
    for (const [index, { election }] of this.members.entries()) {
      if (this.is('paused', index)) continue;
      this.#connection(index);
      if (this.now % TICK_MS === 0 && !this.is('cut', index))
        this.#act(index, election.tick(this.now));
      this.#read(index);
    }
  }

  /**
   * The holders that can act: a paused process does nothing, and a disconnected one gets no
   * requests.
   */
  holders(): number[] {
    return this.members.flatMap(({ election }, index) =>
      this.#canAct(index) && election.isHeld(this.now) ? [index] : [],
    );
  }

  #canAct(index: number): boolean {
    return !this.is('paused', index) && !this.is('cut', index);
  }

  #member(index: number) {
    return this.members[index] as (typeof this.members)[number];
  }

  #connection(index: number): void {
    const member = this.#member(index);
    const isConnected = !this.is('cut', index);
    if (!isConnected) {
      member.inbox.length = 0;
      member.answer = undefined;
    } else if (!member.isConnected) this.#act(index, member.election.connected(this.now));
    member.isConnected = isConnected;
  }

  #read(index: number): void {
    const { inbox, answer, election } = this.#member(index);
    while (inbox[0] !== undefined && inbox[0].at <= this.now)
      this.#act(
        index,
        election.receive((inbox.shift() as { message: LeaseMessage }).message, this.now),
      );
    if (answer === undefined || answer.at > this.now) return;
    this.#member(index).answer = undefined;
    this.#act(index, election.answered(answer.isAnotherHolding, this.now));
  }

  #act(index: number, { send, askHub }: ElectionOutcome): void {
    if (this.is('cut', index)) return;
    // A paused holder is still subscribed, because its connection exists.
    if (askHub)
      this.#member(index).answer = {
        isAnotherHolding: this.members.some(
          ({ election }, other) => other !== index && !this.is('cut', other) && election.isHolding,
        ),
        at: this.now + this.#delay(index),
      };
    if (send === undefined) return;
    for (const [other, { inbox }] of this.members.entries())
      if (!this.is('cut', other))
        inbox.push({
          message: send,
          at: Math.max(inbox.at(-1)?.at ?? 0, this.now + this.#delay(other)),
        });
  }

  #delay(index: number): number {
    return this.#delays[(index + this.now) % this.#delays.length] ?? 0;
  }
}

const fault = fc.record<Fault>({
  candidate: fc.nat({ max: CANDIDATES - 1 }),
  at: fc.integer({ min: 0, max: FAULTS_UNTIL_MS / STEP_MS - 300 }).map((step) => step * STEP_MS),
  lasts: fc.integer({ min: 1, max: 300 }).map((step) => step * STEP_MS),
  kind: fc.constantFrom('paused', 'cut'),
});

/**
 * Cases in which a candidate is paused in the middle of its claims, and another one that was
 * disconnected meanwhile claims the lease too.
 */
const PAUSED_CLAIMS: [Fault[], number[]][] = [
  [
    [
      { candidate: 2, at: 0, lasts: 20, kind: 'paused' },
      { candidate: 2, at: 3_890, lasts: 510, kind: 'paused' },
      { candidate: 1, at: 2_790, lasts: 1_360, kind: 'cut' },
    ],
    [1, 51],
  ],
  [
    [
      { candidate: 1, at: 110, lasts: 1_300, kind: 'cut' },
      { candidate: 2, at: 1_410, lasts: 190, kind: 'paused' },
    ],
    [0, 0, 1, 0],
  ],
];

test('despite paused and disconnected candidates, at most one holds the lease, and finally exactly one does', () => {
  fc.assert(
    fc.property(
      fc.array(fault, { maxLength: 8 }),
      fc.array(fc.nat({ max: 60 }), { minLength: 1, maxLength: 7 }),
      (faults, delays) => {
        const world = new World(faults, delays);
        while (world.now < END_MS) {
          world.step();
          expect(world.holders().length, `holders at ${world.now} ms`).toBeLessThanOrEqual(1);
        }
        expect(world.holders()).toHaveLength(1);
      },
    ),
    { numRuns: 200, examples: PAUSED_CLAIMS },
  );
});

test('when a divided cluster is connected again, only the holder with the greater epoch stays', () => {
  const [one, two] = [1, 2].map(
    (number) => new Election({ holder: `router_${number}`, epoch: number, now: 0 }),
  ) as [Election, Election];
  const alone = (election: Election) => {
    election.connected(0);
    election.answered(false, 0);
    for (let now = 0; now < 500; now += 100) {
      const { send } = election.tick(now);
      if (send !== undefined) election.receive(send, now);
    }
  };
  alone(one);
  alone(two);
  expect([one.isHeld(500), two.isHeld(500)]).toEqual([true, true]);
  const objection = two.receive(one.tick(500).send as LeaseMessage, 500).send;
  expect(objection?.state).toBe('held');
  expect(one.receive(objection as LeaseMessage, 500).became).toBe('other');
  expect([one.isHeld(500), two.isHeld(500)]).toEqual([false, true]);
});

test('a holder that was disconnected and not replaced keeps its epoch', () => {
  const election = new Election({ holder: 'router_1', epoch: 5, now: 0 });
  const gained: number[] = [];
  const run = (from: number, to: number) => {
    for (let now = from; now < to; now += 100) {
      const { send } = election.tick(now);
      if (send !== undefined && election.receive(send, now).became === 'holder')
        gained.push(election.epoch);
    }
  };
  election.connected(0);
  election.answered(false, 0);
  run(0, 1_000);
  expect(election.isHeld(3_000)).toBe(false);
  election.connected(3_000);
  election.answered(false, 3_000);
  run(3_000, 3_300);
  expect(election.isHeld(3_300)).toBe(true);
  expect(gained).toEqual([5]);
});
