import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Announcement, Beat, Hello, MAX_ANNOUNCED_PREFIXES } from '#bus-schemas';
import type { Engine } from '../engine/engine.ts';
import { Announcer } from './announcer.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Announces a machine with these prompts for a while, and returns its messages. */
async function announced(heldPrefixes: readonly string[], ms: number): Promise<Announcement[]> {
  const messages: Announcement[] = [];
  const engine: Engine = {
    name: 'reference',
    machine: { chip: 'M4', memoryGb: 16, bandwidthGbps: 100, simulated: false },
    heldPrefixes,
    slots: () => [],
    onChange: () => undefined,
    load: () => undefined,
    generate: () => {
      throw new Error('no request is expected');
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
  using announcer = new Announcer({
    engine,
    slots: () => [],
    jobsOf: () => [],
    sealingKey: () => new Uint8Array(32),
    agentVersion: '1',
    publish: (subject, payload) => {
      if (!subject.endsWith('capacity'))
        messages.push((subject.endsWith('hello') ? Hello : Beat).decode(payload));
    },
    isDraining: () => false,
    closedFor: () => undefined,
    conditions: () => undefined,
    isPrivate: false,
    refusesBatches: false,
    prefetches: undefined,
    random: () => 0.5,
  });
  announcer.hello();
  await vi.advanceTimersByTimeAsync(ms);
  return messages;
}

const tagsTo = (count: number) =>
  Array.from({ length: count }, (_, i) => `tag${String(i).padStart(7, '0')}`);

test('every beat names the newest prompts, and all others appear in turn within two minutes', async () => {
  const tags = tagsTo(512);
  const messages = await announced(tags, 120_000);
  const seen = new Set<string>();
  for (const { holds = [] } of messages) {
    expect(holds.length).toBeLessThanOrEqual(MAX_ANNOUNCED_PREFIXES);
    expect(holds.slice(0, 16)).toEqual(tags.slice(0, 16));
    expect(new Set(holds).size).toBe(holds.length);
    for (const tag of holds) seen.add(tag);
  }
  expect(seen).toEqual(new Set(tags));
});

test('a few prompts are in every beat, and none makes no field', async () => {
  const tags = tagsTo(30);
  for (const { holds } of await announced(tags, 30_000)) expect(holds).toEqual(tags);
  for (const message of await announced([], 30_000)) expect(message).not.toHaveProperty('holds');
});
