import { describe, expect, test } from 'vitest';
import { type CellDigest, newJobId, type Reserve, type Reserved } from '#bus-schemas';
import { BusError } from '#coordinator/bus.ts';
import { PlaceFinder } from './place-finder.ts';

const [B, C] = ['B', 'C'].map((letter) => `A${letter.repeat(55)}`) as [string, string];
const LIMITS = { eachMs: 1_000, totalMs: 250 };
const request = (changes: Partial<Reserve> = {}): Reserve => ({
  job: newJobId(),
  account: 'acct_0000',
  model: 'sim',
  builds: ['sim'],
  promptTokens: 1,
  maxOutputTokens: 1,
  patienceMs: 900,
  exclude: [],
  ...changes,
});
const placed: Reserved = {
  ok: true,
  queuedMs: 0,
  candidates: [
    {
      provider: B,
      build: 'sim',
      suite: 's',
      sealingKey: new Uint8Array(32),
      expectedFirstContentMs: 1,
    },
  ],
};
const refused = (code: 'saturated' | 'no_provider' | 'queue_timeout'): Reserved => ({
  ok: false,
  code,
  retryAfterMs: 1_000,
});
type Saying = Reserved | 'nothing';

/** Cells 0 and 1, each with its replies in order; the last reply repeats. */
function networkOf(
  sayings: readonly [readonly Saying[], readonly Saying[]],
  queued: readonly [number, number] = [0, 0],
) {
  const asked: string[] = [];
  const left = sayings.map((list) => [...list]);
  const bus = {
    call: async (method: { subject: string }, { patienceMs }: Reserve) => {
      const cell = Number(method.subject.split('.').at(-1));
      asked.push(`${cell} ${patienceMs}`);
      const answers = left[cell] as Saying[];
      const answer = answers.length > 1 ? answers.shift() : answers[0];
      if (answer === 'nothing') throw new BusError('unavailable', 'no cell replies');
      return answer;
    },
  };
  const cells = {
    choiceFor: () => [0, 1],
    ownersOf: (provider: string) => [provider === B ? 0 : 1],
    digestOf: (cell: number): CellDigest => ({
      cell,
      draining: false,
      providers: 1,
      queued: queued[cell] as number,
      builds: [],
    }),
  };
  const finder = new PlaceFinder(bus as never, cells);
  return {
    asked,
    reserve: (changes?: Partial<Reserve>) =>
      finder.reserve(request(changes), 'conversation', LIMITS),
  };
}

describe('a job', () => {
  test('is placed by the first of two cells without a call to the other', async () => {
    const { asked, reserve } = networkOf([[placed], [placed]]);
    expect(await reserve()).toBe(placed);
    expect(asked).toEqual(['0 0']);
  });

  test('goes to the second cell if the first is full or does not reply', async () => {
    for (const first of [refused('saturated'), refused('no_provider'), 'nothing'] as const) {
      const { asked, reserve } = networkOf([[first], [placed]]);
      expect(await reserve()).toBe(placed);
      expect(asked).toEqual(['0 0', '1 0']);
    }
  });

  test('waits in the shorter queue if both cells are full', async () => {
    const full = refused('saturated');
    const { asked, reserve } = networkOf([[full], [full, placed]], [7, 3]);
    expect(await reserve()).toBe(placed);
    expect(asked).toEqual(['0 0', '1 0', '1 900']);
  });

  test('gets the refusal of its cell if it does not wait, or if no cell serves it', async () => {
    const full = refused('saturated');
    expect(await networkOf([[full], [full]]).reserve({ patienceMs: 0 })).toBe(full);
    const noProvider = refused('no_provider');
    expect(await networkOf([[noProvider], [noProvider]]).reserve()).toBe(noProvider);
    const waited = refused('queue_timeout');
    expect(await networkOf([[noProvider], [full, waited]]).reserve()).toBe(waited);
  });

  test('is not refused as long as a cell that may have a machine for it does not reply', async () => {
    const noProvider = refused('no_provider');
    expect(await networkOf([[noProvider], ['nothing', placed]]).reserve()).toBe(placed);
    await expect(networkOf([[noProvider], ['nothing']]).reserve()).rejects.toMatchObject({
      code: 'unavailable',
    });
  });

  test('is sent only to the cells of its allowed machines, and first to the cell of a preferred one', async () => {
    const own = networkOf([[placed], [placed]]);
    await own.reserve({ only: [C] });
    expect(own.asked).toEqual(['1 900']);
    const preferred = networkOf([[placed], [placed]]);
    await preferred.reserve({ prefers: { order: [C] } });
    expect(preferred.asked).toEqual(['1 0']);
  });
});
