import { expect, test } from 'vitest';
import { chipOf } from '../chips.ts';
import { type SimulatedBuild, simulatedBuilds } from '../models.ts';
import { decodeTps, prefillTps, slowdown } from '../speeds.ts';
import { Timeline } from './timeline.ts';
import { VirtualMac } from './virtual-mac.ts';

const [build] = simulatedBuilds as readonly [SimulatedBuild];
const chip = chipOf('m4-max');

function setUp(concurrency = 4) {
  const timeline = new Timeline();
  const heats: (string | undefined)[] = [];
  const mac = new VirtualMac({
    id: 'A',
    chip,
    build,
    concurrency,
    timeline,
    reportsConditions: true,
    onHeat: ({ announcement }) => void heats.push(announcement.call(mac).conditions?.thermal),
  });
  const log: { what: string; name: string; at: number }[] = [];
  const work = (name: string, promptTokens: number, outputTokens: number) => {
    const note = (what: string) => () => void log.push({ what, name, at: timeline.now });
    return {
      job: name,
      promptTokens,
      outputTokens,
      maxTokens: outputTokens,
      onContent: note('content'),
      onEnd: note('end'),
      onLost: note('lost'),
    };
  };
  return { timeline, mac, log, work, heats };
}
const readMs = (tokens: number) => (1_000 * tokens) / prefillTps(chip, build);
const writeMs = (tokens: number, beside = 1) =>
  (1_000 * tokens * slowdown(beside)) / decodeTps(chip, build);

test('a job that runs alone takes the time of its prompt plus the time of its answer', () => {
  const { timeline, mac, log, work } = setUp();
  expect(mac.offer(work('one', 1_000, 100))).toBeUndefined();
  timeline.runUntil(1e6);
  expect(log.map(({ what }) => what)).toEqual(['content', 'end']);
  expect(log[0]?.at).toBeCloseTo(readMs(1_000), 6);
  expect(log[1]?.at).toBeCloseTo(readMs(1_000) + writeMs(100), 6);
  expect(mac.running).toBe(0);
});

test('two answers at once slow each other down, and the second is faster after the first has ended', () => {
  const { timeline, mac, log, work } = setUp();
  mac.offer(work('short', 0, 100));
  mac.offer(work('long', 0, 200));
  timeline.runUntil(1e6);
  expect(log.find(({ what, name }) => what === 'end' && name === 'short')?.at).toBeCloseTo(
    writeMs(100, 2),
    6,
  );
  expect(log.find(({ what, name }) => what === 'end' && name === 'long')?.at).toBeCloseTo(
    writeMs(100, 2) + writeMs(100),
    6,
  );
});

test('a cancelled job frees its place and sends nothing more; a Mac that sleeps loses each job once', () => {
  const { timeline, mac, log, work } = setUp(2);
  const [one, two, three] = [work('one', 500, 500), work('two', 500, 500), work('three', 500, 500)];
  expect([mac.offer(one), mac.offer(two), mac.offer(three)]).toEqual([
    undefined,
    undefined,
    'queue_full',
  ]);
  expect(mac.cancel(one)).toBe(true);
  expect(mac.cancel(one)).toBe(false);
  expect(mac.offer(three)).toBeUndefined();
  timeline.runUntil(readMs(500) + 1);
  mac.sleep();
  expect(mac.offer(work('four', 1, 1))).toBe('draining');
  mac.wake();
  timeline.runUntil(1e6);
  expect(log.map(({ what, name }) => `${name} ${what}`)).toEqual([
    'two content',
    'three lost',
    'two lost',
  ]);
  expect(mac.running).toBe(0);
});

test('a Mac that slows down after a second of work reports when it becomes warm, hot and cool', () => {
  const { timeline, mac, work, heats } = setUp();
  mac.ailment = { throttles: { afterMs: 1_000, to: 0.5 } };
  expect(mac.announcement().conditions).toEqual({ thermal: 'nominal' });
  mac.offer(work('long', 10, 10_000));
  timeline.runUntil(500_000);
  expect(heats.slice(0, 1)).toEqual(['serious']);
  expect(mac.running).toBe(0);
  expect(heats.at(-1)).toBe('nominal');
  expect(mac.announcement().conditions).toEqual({ thermal: 'nominal' });
});

test('a Mac that saves power runs at half its speed, and reports it', () => {
  const { timeline, mac, log, work } = setUp();
  mac.ailment = { speed: 0.5, conditions: { lowPower: true } };
  mac.offer(work('first', 10, 100));
  timeline.runUntil(1e6);
  const [content, end] = log.slice(0, 2).map(({ at }) => at);
  expect((end ?? 0) - (content ?? 0)).toBeCloseTo(2 * writeMs(100), 6);
  expect(mac.announcement().conditions).toEqual({ thermal: 'nominal', lowPower: true });
});
