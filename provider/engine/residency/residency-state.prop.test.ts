import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  begin,
  nextTime,
  type ResidencyCommand,
  type ResidencyEvent,
  type ResidencyState,
  residencyAfter,
} from './residency-state.ts';
import { MAX_RESIDENCE_MS, MIN_RESIDENCE_MS, residenceEnd } from './room.ts';

const BUILDS = ['a', 'b', 'c', 'd'] as const;
const build = fc.constantFrom(...BUILDS);
const happening = fc.oneof(
  fc.record({
    k: fc.constant('request' as const),
    build,
    withinMs: fc.oneof(fc.integer({ min: 0, max: 12_000 }), fc.constant(Number.POSITIVE_INFINITY)),
    isOwners: fc.boolean(),
  }),
  fc.record({ k: fc.constant('end' as const), nth: fc.nat(20) }),
  fc.record({ k: fc.constant('cancel' as const), nth: fc.nat(20) }),
  fc.record({ k: fc.constant('carried out' as const), fails: fc.boolean() }),
  fc.record({ k: fc.constant('wanted' as const), build, by: fc.constantFrom('owner', 'router') }),
  fc.record({ k: fc.constant('unwanted' as const), build }),
  fc.record({ k: fc.constant('fails' as const), build }),
  fc.record({ k: fc.constant('time' as const), ms: fc.integer({ min: 0, max: 9_000 }) }),
);
const machine = fc.record({
  bytes: fc.tuple(...BUILDS.map(() => fc.integer({ min: 1, max: 10 }))),
  memoryBytes: fc.integer({ min: 10, max: 24 }),
  idleMs: fc.constantFrom(0, 5_000),
});

interface Request {
  readonly id: number;
  readonly build: string;
  state: 'waiting' | 'running' | 'over';
}

/** Carries out the commands of the state machine, and checks its invariants after each event. */
class Checked {
  state: ResidencyState;
  now = 0;
  readonly requests: Request[] = [];
  /** Loads and unloads that have begun and not ended. */
  readonly pending: Extract<ResidencyCommand, { build: string }>[] = [];
  loads = 0;
  /** Builds that may be unloaded before their time: by an order, or after a failure. */
  readonly ordered = new Set<string>();

  constructor(options: { bytes: readonly number[]; memoryBytes: number; idleMs: number }) {
    this.state = begin(
      BUILDS.map((name, i) => ({ build: name, bytes: options.bytes[i] ?? 1 })),
      options,
    );
  }

  send(event: ResidencyEvent): void {
    const before = this.state;
    const { state, commands } = residencyAfter(before, event, this.now);
    this.state = state;
    for (const command of commands) this.#carryOut(command, before);
    expect(this.used).toBeLessThanOrEqual(state.memoryBytes);
    for (const model of state.models) {
      const running = this.#in('running').filter((each) => each.build === model.build);
      expect(model.running).toBe(running.length);
      if (running.length > 0) expect(model.phase).toBe('in');
    }
  }

  get used(): number {
    return this.state.models
      .filter(({ phase }) => phase !== 'out' && phase !== 'failed')
      .reduce((sum, { bytes }) => sum + bytes, 0);
  }

  request(name: string, withinMs: number, isOwners = false): void {
    const id = this.requests.length;
    this.requests.push({ id, build: name, state: 'waiting' });
    this.send({
      t: 'requested',
      build: name,
      request: { id, since: this.now, deadline: this.now + withinMs, isOwners },
    });
  }

  end(nth: number): void {
    const running = this.#in('running');
    const request = running[nth % Math.max(1, running.length)];
    if (request === undefined) return;
    request.state = 'over';
    this.send({ t: 'ended', build: request.build });
  }

  cancel(nth: number): void {
    const waiting = this.#in('waiting');
    const request = waiting[nth % Math.max(1, waiting.length)];
    if (request === undefined) return;
    request.state = 'over';
    this.send({ t: 'withdrawn', build: request.build, id: request.id });
  }

  /** A model in memory fails: all its answers end. */
  fail(name: string): void {
    if (this.state.models.find((model) => model.build === name)?.phase !== 'in') return;
    for (const request of this.#in('running').filter((each) => each.build === name)) {
      request.state = 'over';
      this.send({ t: 'ended', build: name });
    }
    this.ordered.add(name);
    this.send({ t: 'failed', build: name });
  }

  /** Ends the oldest load or unload. */
  carryOut(fails: boolean): void {
    const command = this.pending.shift();
    if (command === undefined) return;
    if (command.t === 'unload') this.send({ t: 'unloaded', build: command.build });
    else this.send({ t: fails ? 'failed' : 'loaded', build: command.build });
  }

  waitUntil(time: number): void {
    this.now = time;
    this.send({ t: 'time' });
  }

  #in(state: Request['state']): Request[] {
    return this.requests.filter((each) => each.state === state);
  }

  #carryOut(command: ResidencyCommand, before: ResidencyState): void {
    if (command.t === 'admit' || command.t === 'refuse') {
      const request = this.requests[command.id];
      expect(request?.state).toBe('waiting');
      if (request !== undefined) request.state = command.t === 'admit' ? 'running' : 'over';
      return;
    }
    this.pending.push(command);
    const model = before.models.find((each) => each.build === command.build);
    if (model === undefined) throw new Error('a command names no model');
    if (command.t === 'load') {
      this.loads += 1;
      return;
    }
    expect(this.#in('running').filter((each) => each.build === command.build)).toEqual([]);
    const isIdle = before.idleMs > 0 && this.now - model.usedAt >= before.idleMs;
    const isOwnersWish = before.models.some(({ wanted }) => wanted?.by === 'owner');
    if (!isIdle && !isOwnersWish && !this.ordered.has(command.build))
      expect(this.now).toBeGreaterThanOrEqual(residenceEnd(model));
    this.ordered.delete(command.build);
  }

  /** Lets everything end that can end by itself. */
  rest(): void {
    for (let rounds = 0; this.#in('waiting').length > 0 || this.pending.length > 0; rounds += 1) {
      expect(rounds).toBeLessThan(10_000);
      if (this.pending.length > 0) this.carryOut(false);
      else if (this.#in('running').length > 0) this.end(0);
      else {
        const next = nextTime(this.state, this.now);
        expect(next).toBeLessThan(Number.POSITIVE_INFINITY);
        expect(next).toBeGreaterThan(this.now);
        this.waitUntil(next);
      }
    }
  }
}

test('models never exceed the memory, a model with answers is never unloaded, and every request ends once', () => {
  fc.assert(
    fc.property(machine, fc.array(happening, { maxLength: 120 }), (options, happenings) => {
      const checked = new Checked(options);
      for (const each of happenings)
        switch (each.k) {
          case 'request':
            checked.request(each.build, each.withinMs, each.isOwners);
            break;
          case 'end':
            checked.end(each.nth);
            break;
          case 'cancel':
            checked.cancel(each.nth);
            break;
          case 'carried out':
            checked.carryOut(each.fails);
            break;
          case 'wanted':
            // The owner's order shortens the time in memory of every other model.
            if (each.by === 'owner') for (const name of BUILDS) checked.ordered.add(name);
            checked.send({ t: 'wanted', build: each.build, by: each.by as 'owner' | 'router' });
            break;
          case 'unwanted':
            checked.ordered.add(each.build);
            checked.send({ t: 'unwanted', build: each.build });
            break;
          case 'fails':
            checked.fail(each.build);
            break;
          case 'time':
            checked.waitUntil(checked.now + each.ms);
        }
      checked.rest();
    }),
    { numRuns: 1_000 },
  );
});

/** Memory for one of the models `a` and `b`, whose loads take `loadMs`. */
function oneAtATime(loadMs: number) {
  const checked = new Checked({ bytes: [6, 6, 1, 1], memoryBytes: 10, idleMs: 0 });
  const load = () => {
    while (checked.pending.length > 0) {
      if (checked.pending[0]?.t === 'load') checked.now += loadMs;
      checked.carryOut(false);
    }
  };
  return { checked, load };
}

describe('with memory for one of two models', () => {
  test.for([100, 2_000, 4_000])(
    'requests that alternate for an hour all get answers, with at most half of the time spent on loads of %i ms',
    (loadMs) => {
      const { checked, load } = oneAtATime(loadMs);
      const hour = 3_600_000;
      for (let turn = 0; checked.now < hour; turn += 1) {
        checked.request(turn % 2 === 0 ? 'a' : 'b', 9_000);
        load();
        const request = checked.requests.at(-1);
        while (request?.state === 'waiting') {
          checked.waitUntil(Math.max(checked.now, nextTime(checked.state, checked.now)));
          load();
        }
        expect(request?.state).toBe('running');
        checked.now += 50;
        checked.end(0);
      }
      expect(checked.loads).toBeGreaterThan(100);
      expect(checked.loads).toBeLessThanOrEqual(
        hour / (loadMs + Math.max(loadMs, MIN_RESIDENCE_MS)) + 2,
      );
    },
  );

  test('a model that always has answers lets those end, accepts no others meanwhile, and gets its turn again', () => {
    const { checked, load } = oneAtATime(100);
    checked.request('a', 9_000);
    load();
    checked.waitUntil(MAX_RESIDENCE_MS);
    checked.request('b', 9_000);
    checked.waitUntil(checked.now + 1);
    checked.request('a', 20_000);
    expect(checked.requests.map(({ state }) => state)).toEqual(['running', 'waiting', 'waiting']);
    checked.end(0);
    load();
    expect(checked.requests.map(({ state }) => state)).toEqual(['over', 'running', 'waiting']);
    checked.waitUntil(checked.now + MIN_RESIDENCE_MS);
    expect(checked.requests.at(-1)?.state).toBe('waiting');
    checked.end(0);
    load();
    expect(checked.requests.map(({ state }) => state)).toEqual(['over', 'over', 'running']);
  });

  test('an order of the router removes no model with answers, and one of the owner waits only for those', () => {
    const { checked, load } = oneAtATime(100);
    checked.request('a', 9_000);
    load();
    checked.waitUntil(MAX_RESIDENCE_MS);
    checked.send({ t: 'wanted', build: 'b', by: 'router' });
    checked.request('a', 9_000);
    expect(checked.requests.map(({ state }) => state)).toEqual(['running', 'running']);
    checked.send({ t: 'wanted', build: 'b', by: 'owner' });
    checked.request('a', 9_000);
    expect(checked.requests.at(-1)?.state).toBe('waiting');
    checked.end(0);
    checked.end(0);
    load();
    expect(checked.state.models.find(({ phase }) => phase === 'in')?.build).toBe('b');
  });
});

test('the model that was used least recently gives way, and a larger one alone if it suffices', () => {
  const checked = new Checked({ bytes: [3, 3, 8, 9], memoryBytes: 16, idleMs: 0 });
  for (const name of ['a', 'b', 'c']) {
    checked.request(name, 9_000);
    checked.carryOut(false);
    checked.end(0);
    checked.waitUntil(checked.now + 10);
  }
  checked.waitUntil(MAX_RESIDENCE_MS);
  checked.request('d', 60_000);
  expect(checked.pending).toEqual([{ t: 'unload', build: 'c' }]);
});
