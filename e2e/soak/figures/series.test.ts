import { describe, expect, test } from 'vitest';
import { judge, type Sample, seriesOf } from './series.ts';

const MINUTES = 240;

/** A calm network, of which one figure is changed by the minute. */
function samples(change: (minute: number) => Partial<Sample>): Sample[] {
  return Array.from({ length: MINUTES }, (_, minute) => ({
    minute,
    processes: {
      hub: { pssMiB: 50, ownMiB: 40 + (minute % 5), files: 30 + (minute % 2), count: 1 },
    },
    heapMiB: { coordinator: 60 + (minute % 2) },
    loopMs: { coordinator: 12 + (minute % 3) },
    rows: { charges: 100 * minute, holds: minute % 9, api_keys: 2 },
    streams: { JOBS: { messages: minute, bytes: minute * 1_000 } },
    logKiB: 3,
    requests: 100 * minute,
    failed: 0,
    ...change(minute),
  }));
}

const brokenBy = (change: (minute: number) => Partial<Sample> = () => ({})): string[] =>
  judge(seriesOf(samples(change))).flatMap(({ series, broken }) =>
    broken === undefined ? [] : [`${series.name} ${broken}`],
  );

describe('the figures of a soak', () => {
  test('of a calm network break no limit, although requests add rows', () => {
    expect(brokenBy()).toEqual([]);
  });

  test.each<[string, (minute: number) => Partial<Sample>, RegExp]>([
    [
      'memory that grows by 2 MiB a minute',
      (minute) => ({
        processes: { hub: { pssMiB: 9, ownMiB: 40 + 2 * minute, files: 30, count: 1 } },
      }),
      /^memory of hub grows by 2\.00 MiB a minute$/,
    ],
    [
      'a heap of which more and more is left',
      (minute) => ({ heapMiB: { coordinator: 60 + 1.5 * minute } }),
      /^live heap of coordinator grows by 1\.50 MiB a minute$/,
    ],
    [
      'connections of Postgres that are not closed',
      (minute) => ({
        processes: { Postgres: { pssMiB: 9, ownMiB: 40, files: 500, count: 9 + minute } },
      }),
      /^processes of Postgres grows by 1\.00 processes a minute$/,
    ],
    [
      'files that are left open',
      (minute) => ({ processes: { hub: { pssMiB: 9, ownMiB: 40, files: 30 + minute, count: 1 } } }),
      /^open files of hub grows by 1\.00 files a minute$/,
    ],
    [
      'an event loop that is late most of the time',
      (minute) => ({ loopMs: { coordinator: 31 + (minute % 5) } }),
      /^event loop of coordinator, p99 is 33\.0 ms$/,
    ],
    [
      'a table of running requests that keeps those that have ended',
      (minute) => ({ rows: { holds: 2 * minute } }),
      /^rows of holds grows by 2\.00 rows a minute$/,
    ],
    [
      'a table that the page does not have',
      (minute) => ({ rows: { forgotten: 10 * minute } }),
      /^rows of forgotten grows by 10\.00 rows a minute$/,
    ],
    [
      'a stream that is larger than it may be',
      () => ({ streams: { STATE: { messages: 1, bytes: 2 ** 28 } } }),
      /^size of the stream STATE is 256\.0 MiB, more than 128$/,
    ],
    [
      'a log that grows',
      (minute) => ({ logKiB: 20 * minute }),
      /^log grows by 20\.00 KiB a minute$/,
    ],
  ])('find %s', (_what, change, sentence) => {
    expect(brokenBy(change)).toEqual([expect.stringMatching(sentence)]);
  });

  test('do not take garbage that is not collected yet for growth', () => {
    const ownMiB = (minute: number) => 40 + 8 * (minute % 11);
    expect(
      brokenBy((minute) => ({
        processes: { hub: { pssMiB: 9, ownMiB: ownMiB(minute), files: 30, count: 1 } },
      })),
    ).toEqual([]);
    const [memory] = judge(seriesOf(samples(() => ({})).slice(0, 30)));
    expect(memory).toMatchObject({ series: { name: 'memory of hub' }, isTooShort: true });
  });

  test('do not judge an event loop that was late for a moment', () => {
    expect(brokenBy((minute) => ({ loopMs: { coordinator: minute === 40 ? 300 : 12 } }))).toEqual(
      [],
    );
  });
});
