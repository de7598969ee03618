import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { sentencesWithoutCase } from '../printed-sentences-under-test.ts';
import { type UpdateRecord, writeUpdate } from './update-journal.ts';
import type { UpdateChannel, UpdateMode } from './update-modes.ts';
import { UpdateWatch } from './update-watch.ts';

const HOUR_MS = 3_600_000;
const offer = { version: '2.0.0', sha256: 'ab'.repeat(32), bytes: 1 };
const record: UpdateRecord = {
  status: 'updated',
  from: 'old',
  to: 'new',
  version: '2.0.0',
  sha256: offer.sha256,
  at: 0,
};

let home: string;
let now: number;
let installs: number;
let checks: number;
let channel: UpdateChannel;
let watch: UpdateWatch | undefined;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'dinf-updates-'));
  now = 1_000 * HOUR_MS;
  installs = 0;
  checks = 0;
  channel = 'stable';
});
afterEach(async () => {
  watch?.[Symbol.dispose]();
  await rm(home, { recursive: true });
});

function start(mode: UpdateMode, isWithdrawn = false): void {
  watch = new UpdateWatch({
    home,
    mode: async () => mode,
    channel: async () => channel,
    newerOffer: async (from) => {
      checks += 1;
      return from === 'beta' ? { ...offer, version: '2.1.0-beta.1' } : offer;
    },
    install: () => {
      installs += 1;
    },
    isWithdrawn: () => isWithdrawn,
    onFault: (error) => {
      throw error;
    },
    now: () => now,
    tickMs: 1_000_000_000,
  });
}
/** Lets time pass, and the watch look once more. */
async function later(ms: number): Promise<void> {
  now += ms;
  await watch?.tick();
}

/** The notes that the owner saw in the cases of this file. */
const noted: string[] = [];
function noteNow(): string | undefined {
  const { note } = watch ?? {};
  if (note !== undefined) noted.push(note);
  return note;
}

describe('a newer version', () => {
  test('is shown, and installed only if the owner allows it', async () => {
    start('notify');
    await later(6 * HOUR_MS);
    expect(noteNow()).toBe('Version 2.0.0 is available. "dinf provider update" installs it.');
    expect(installs).toBe(0);
    watch?.[Symbol.dispose]();
    start('auto');
    await later(6 * HOUR_MS);
    expect(installs).toBe(1);
  });

  test('is not asked for if the owner wants none', async () => {
    start('off');
    await later(24 * HOUR_MS);
    expect([checks, watch?.note]).toEqual([0, undefined]);
  });

  test('that was taken back is not installed again by itself, and its owner is told why', async () => {
    await writeUpdate(home, {
      ...record,
      status: 'taken_back',
      at: now,
      reason: 'did not serve within 60 s',
    });
    start('auto');
    await later(6 * HOUR_MS);
    expect(checks).toBe(1);
    expect(installs).toBe(0);
    expect(noteNow()).toBe(
      'Version 2.0.0 did not serve within 60 s, so the version before it runs. "dinf provider update" tries it again.',
    );
  });

  test('comes from the channel of the owner, who sees which it is; a new channel is looked at at once', async () => {
    start('notify');
    await later(6 * HOUR_MS);
    expect(watch?.plan).toBe('shown here, from the channel stable');
    channel = 'beta';
    await later(5_000);
    expect(watch?.plan).toBe('shown here, from the channel beta');
    expect(watch?.note).toMatch(/^Version 2\.1\.0-beta\.1 is available\./);
    noted.push(String(watch?.plan));
    watch?.[Symbol.dispose]();
    start('auto');
    await later(1);
    expect(watch?.plan).toBe('installed by themselves, from the channel beta');
    noted.push(String(watch?.plan));
    watch?.[Symbol.dispose]();
    start('off');
    await later(1);
    expect(watch?.plan).toBeUndefined();
  });

  test('is looked for sooner by a machine whose version the network no longer accepts', async () => {
    start('notify', true);
    await later(700_000);
    expect(checks).toBeGreaterThan(0);
  });
});

test('an update that nobody completes is continued', async () => {
  await writeUpdate(home, { ...record, status: 'switching', at: now });
  start('off');
  await later(60_000);
  expect(installs).toBe(0);
  expect(noteNow()).toBe(
    'Version 2.0.0 is being installed. If this stays, "dinf provider update" continues it.',
  );
  await later(600_000);
  expect(installs).toBe(1);
});

test('a case of this file showed every note', () => {
  const source = new URL('update-watch.ts', import.meta.url);
  expect(sentencesWithoutCase(source, noted)).toEqual([]);
});
