import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { messageOf } from '#bus-schemas/message-of.ts';
import { sentencesWithoutCase } from '../printed-sentences-under-test.ts';
import type { DesiredMode } from './desired-modes.ts';
import { DesiredWatch } from './desired-watch.ts';
import type { WantedBuild } from './fetch-build.ts';

const HOUR_MS = 3_600_000;
const wantedBuild = (build: string, changes: Partial<WantedBuild> = {}): WantedBuild => ({
  model: 'qwen',
  build,
  repository: `org/${build}`,
  weights: 'ab'.repeat(32),
  reason: 'rollout',
  ...changes,
});

let wanted: WantedBuild[];
let mode: DesiredMode;
let now: number;
/** The builds that were fetched, each with the ways to end its download. */
let fetches: { build: string; end: PromiseWithResolvers<void> }[];
let watch: DesiredWatch;
let report: (doneBytes: number) => void;

beforeEach(() => {
  wanted = [wantedBuild('ant'), wantedBuild('bee', { reason: 'demand' })];
  now = 1_000 * HOUR_MS;
  fetches = [];
});
afterEach(async () => {
  for (const { end } of fetches) end.resolve();
  await watch[Symbol.asyncDispose]();
});

async function start(allowed: DesiredMode): Promise<void> {
  mode = allowed;
  watch = new DesiredWatch({
    wanted: () => wanted,
    mode: async () => mode,
    take: ({ build }, onProgress, signal) => {
      const end = Promise.withResolvers<void>();
      fetches.push({ build, end });
      report = (doneBytes) => onProgress({ doneBytes, totalBytes: 10e6 });
      signal.addEventListener('abort', () => end.reject(new Error('It was ended.')));
      return end.promise;
    },
    onFault: () => {},
    now: () => now,
    tickMs: HOUR_MS,
  });
  await watch.tick();
}

/** What the cases of this file showed to the owner. */
const printed = new Set<string>();
function texts(): string[] {
  const shown = watch.shown.map(({ text }) => text);
  for (const text of shown) printed.add(text);
  return shown;
}
/** Accepts a build that cannot be accepted, and returns why. */
function refusalOf(name: string): string {
  try {
    watch.accept(name);
  } catch (error) {
    printed.add(messageOf(error));
    return messageOf(error);
  }
  return `${name} was accepted`;
}
const fetched = () => fetches.map(({ build }) => build);

describe('builds that the network wants', () => {
  test('are ignored by an owner who has switched them off', async () => {
    await start('off');
    expect(texts()).toEqual([]);
    expect(fetched()).toEqual([]);
  });

  test('are shown to an owner who is asked, with the reason and the command that accepts them', async () => {
    wanted.push(wantedBuild('cow', { reason: 'newer_reason' }));
    await start('ask');
    expect(texts()).toEqual([
      'ant is now the preferred build of qwen, of which this machine has the one before. "dinf provider accept ant" downloads, checks and serves it.',
      'More requests for qwen come than its machines can answer, and bee serves it. "dinf provider accept bee" downloads, checks and serves it.',
      'The network wants cow for qwen here. "dinf provider accept cow" downloads, checks and serves it.',
    ]);
    expect(fetched()).toEqual([]);
  });

  test('are fetched one after the other if the owner allows it, with the progress', async () => {
    await start('on');
    expect(texts()[0]).toBe('ant is being downloaded.');
    report(4e6);
    expect(texts()).toEqual([
      'ant is being downloaded: 4 MB of 10 MB.',
      expect.stringMatching(/bee serves it. It is downloaded next.$/),
    ]);
    report(10e6);
    expect(texts()[0]).toBe('ant is complete, and its files are checked.');
    await watch.tick();
    expect(fetched()).toEqual(['ant']);
    wanted.shift();
    fetches[0]?.end.resolve();
    await expect.poll(() => texts()).toHaveLength(1);
    await watch.tick();
    expect(fetched()).toEqual(['ant', 'bee']);
  });

  test('that failed are shown with the reason, and tried again after an hour or when the owner accepts them', async () => {
    wanted = [wantedBuild('ant')];
    await start('on');
    fetches[0]?.end.reject(new Error('The disk is full.'));
    const failed =
      'ant was not added: The disk is full. "dinf provider accept ant" tries it again.';
    await expect.poll(texts).toEqual([failed]);
    now += HOUR_MS - 1;
    await watch.tick();
    expect(fetched()).toEqual(['ant']);
    now += 1;
    await watch.tick();
    expect(fetched()).toEqual(['ant', 'ant']);
    fetches[1]?.end.reject(new Error('The disk is full.'));
    await expect.poll(texts).toEqual([failed]);
    watch.accept('ant');
    expect(fetched()).toEqual(['ant', 'ant', 'ant']);
  });

  test('are accepted by build or repository, and nothing else is', async () => {
    await start('ask');
    expect(refusalOf('cow')).toBe(
      'The network does not want cow on this machine at present, but ant, bee. "dinf provider models pull" downloads any model.',
    );
    watch.accept('org/bee');
    expect(fetched()).toEqual(['bee']);
    expect(refusalOf('ant')).toBe('bee is being fetched. Try again when it is complete.');
    watch.accept('bee');
    expect(fetched()).toEqual(['bee']);
  });

  test.each([
    ['a path', { repository: '../../etc' }],
    ['another name than the build', { repository: 'org/other' }],
  ])('with %s as repository are ignored', async (_, changes) => {
    wanted = [wantedBuild('ant', changes)];
    await start('on');
    expect([...texts(), ...fetched()]).toEqual([]);
  });
});

test('a case of this file showed every sentence of desired-watch.ts', () => {
  expect(sentencesWithoutCase(new URL('desired-watch.ts', import.meta.url), printed)).toEqual([]);
});
