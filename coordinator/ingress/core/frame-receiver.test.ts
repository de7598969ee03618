import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FrameReceiver, WINDOW_FRAMES } from './frame-receiver.ts';

test('accepts each frame once and in order, in any order of arrival', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 300 }), (arrivals) => {
      const receiver = new FrameReceiver();
      const taken = arrivals.filter((seq) => receiver.receive(seq) === 'accept');
      expect(taken).toEqual(taken.map((_, index) => index));
      expect(receiver.received).toBe(taken.length);
    }),
  );
});

test('a client that reads nothing closes the window after WINDOW_FRAMES', () => {
  const receiver = new FrameReceiver();
  for (let seq = 0; seq < WINDOW_FRAMES; seq += 1) expect(receiver.receive(seq)).toBe('accept');
  expect(receiver.receive(WINDOW_FRAMES)).toBe('out_of_window');
  expect(receiver.reportDue).toBe(false);
  receiver.consume(WINDOW_FRAMES / 4);
  expect(receiver.reportDue).toBe(true);
  expect(receiver.receive(WINDOW_FRAMES)).toBe('accept');
});

test('never counts more frames as consumed than have arrived', () => {
  const receiver = new FrameReceiver();
  receiver.receive(0);
  receiver.consume(10);
  expect(receiver.window).toBe(1 + WINDOW_FRAMES);
});

test('reports a gap', () => {
  const receiver = new FrameReceiver();
  expect(receiver.receive(1)).toBe('gap');
  expect(receiver.receive(0)).toBe('accept');
  expect(receiver.receive(0)).toBe('duplicate');
});
