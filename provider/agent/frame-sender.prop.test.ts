import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FrameContent } from '#bus-schemas';
import { FrameSender } from './frame-sender.ts';

const WINDOW = 8;
const END = {
  k: 'end',
  finish: 'stop',
  usage: { promptTokens: 1, cachedTokens: 0, completionTokens: 1 },
  requestHash: new Uint8Array(32),
  responseHash: new Uint8Array(32),
} as const;

/** A receiver like the one of the ingress: it takes each frame once and in order. */
class Receiver {
  received = 0;
  text = '';
  ended = 0;
  readonly sealed = new Map<number, string>();

  take(seq: number, bytes: Uint8Array): 'gap' | 'other' {
    const seen = this.sealed.get(seq);
    const hex = Buffer.from(bytes).toString('hex');
    // Each number is sealed once, so a frame that arrives again has the same bytes.
    if (seen !== undefined) expect(hex).toBe(seen);
    this.sealed.set(seq, hex);
    if (seq > this.received) return 'gap';
    if (seq < this.received) return 'other';
    this.received += 1;
    for (const event of FrameContent.decode(bytes).events) {
      if (event.k === 'text') this.text += event.text;
      else this.ended += 1;
    }
    return 'other';
  }
}

type Action =
  | { do: 'token'; text: string }
  | { do: 'end' }
  | { do: 'deliver'; lose: boolean; twice: boolean; late: boolean }
  | { do: 'flow'; lose: boolean }
  | { do: 'wait'; ms: number };

const action: fc.Arbitrary<Action> = fc.oneof(
  fc.string({ minLength: 1, maxLength: 5 }).map((text): Action => ({ do: 'token', text })),
  fc.record({
    do: fc.constant('deliver' as const),
    lose: fc.boolean(),
    twice: fc.boolean(),
    late: fc.boolean(),
  }),
  fc.record({ do: fc.constant('flow' as const), lose: fc.boolean() }),
  fc.nat({ max: 1_000 }).map((ms): Action => ({ do: 'wait', ms })),
);

test('over a link that loses, repeats and reorders, the text arrives once, in order and whole', () => {
  fc.assert(
    fc.property(fc.boolean(), fc.array(action, { maxLength: 200 }), (whole, actions) => {
      let now = 0;
      const timers: ((now: number) => void)[] = [];
      const link: [number, Uint8Array][] = [];
      const receiver = new Receiver();
      let mostAhead = 0;
      const sender = new FrameSender(
        {
          window: WINDOW,
          seal: (_seq, plain) => plain,
          outlined: false,
          whole,
          send: ({ seq, sealed }) => {
            mostAhead = Math.max(mostAhead, seq - receiver.received);
            link.push([seq, sealed]);
          },
          onBlocked: () => undefined,
          later: (_delay, run) => timers.push(run),
        },
        now,
      );
      const fire = () => {
        for (const run of timers.splice(0)) run(now);
      };
      const flow = (resend: boolean) =>
        sender.flow(
          { received: receiver.received, window: receiver.received + WINDOW, resend },
          now,
        );
      const deliver = (at: number) => {
        const [frame] = link.splice(at, 1);
        if (frame !== undefined && receiver.take(...frame) === 'gap') flow(true);
      };
      let sent = '';
      for (const next of actions) {
        now += 3;
        switch (next.do) {
          case 'token':
            sent += next.text;
            sender.delta({ k: 'text', text: next.text, tokens: 1 }, now);
            break;
          case 'deliver':
            if (next.twice && link[0] !== undefined) link.push(link[0]);
            if (next.lose) link.shift();
            else deliver(next.late ? link.length - 1 : 0);
            break;
          case 'flow':
            if (!next.lose) flow(false);
            break;
          case 'wait':
            now += next.ms;
            fire();
            sender.tick(now);
            break;
        }
      }
      sender.end(
        END,
        { job: 'job_0123456789abcdefghijkl', attempt: 1, build: 'sim-q4', ...END },
        now,
      );
      // From here on the link loses nothing: all frames must arrive without further actions.
      for (let round = 0; round < 500 && !sender.isDone; round += 1) {
        now += 600;
        fire();
        sender.tick(now);
        while (link.length > 0) deliver(0);
        flow(false);
      }
      expect(receiver.text).toBe(sent);
      expect(receiver.ended).toBe(1);
      expect(sender.isDone).toBe(true);
      expect(mostAhead).toBeLessThan(WINDOW);
    }),
    { numRuns: 300 },
  );
});

test('a full window blocks the engine, and the tokens that wait become one text', () => {
  const blocked: boolean[] = [];
  const frames: FrameContent[] = [];
  const sender = new FrameSender(
    {
      window: 1,
      seal: (_seq, plain) => plain,
      outlined: false,
      whole: false,
      send: ({ sealed }) => frames.push(FrameContent.decode(sealed)),
      onBlocked: (is) => blocked.push(is),
      later: () => undefined,
    },
    0,
  );
  sender.delta({ k: 'text', text: 'a', tokens: 1 }, 10);
  sender.delta({ k: 'text', text: 'b', tokens: 1 }, 20);
  sender.delta({ k: 'text', text: 'c', tokens: 1 }, 30);
  expect(blocked).toEqual([true]);
  sender.flow({ received: 1, window: 2, resend: false }, 40);
  expect(frames.map(({ events }) => events)).toEqual([
    [{ k: 'text', text: 'a', tokens: 1 }],
    [{ k: 'text', text: 'bc', tokens: 2 }],
  ]);
});

/** A stream that gets a token every `tokenMs`; `frames` has the number of tokens in each frame. */
function startStream({ whole, tokenMs }: { whole: boolean; tokenMs: number }) {
  const frames: number[] = [];
  let timers: { at: number; run: (now: number) => void }[] = [];
  let now = 0;
  const sender = new FrameSender(
    {
      window: 64,
      seal: (_seq, plain) => plain,
      outlined: false,
      whole,
      send: ({ sealed }) => {
        const { events } = FrameContent.decode(sealed);
        frames.push(events.reduce((sum, event) => sum + (event.k === 'end' ? 0 : event.tokens), 0));
      },
      onBlocked: () => undefined,
      later: (delayMs, run) => timers.push({ at: now + delayMs, run }),
    },
    now,
  );
  return {
    frames,
    tokensUntil: (until: number): number[] => {
      const before = frames.length;
      for (; now < until; now += tokenMs) {
        const due = timers.filter(({ at }) => at <= now);
        timers = timers.filter(({ at }) => at > now);
        for (const { run } of due) run(now);
        sender.delta({ k: 'text', text: 'a', tokens: 1 }, now);
      }
      return frames.slice(before);
    },
    acknowledge: (received: number) => sender.flow({ received, window: 64, resend: false }, now),
    end: () =>
      sender.end(
        END,
        { job: 'job_0123456789abcdefghijkl', attempt: 1, build: 'sim-q4', ...END },
        now,
      ),
  };
}

test('each token of a stream has a frame, and the tokens of an answer that is read whole share frames', () => {
  const tokensByFrame = (whole: boolean): number[] => {
    const { frames, tokensUntil, end } = startStream({ whole, tokenMs: 10 });
    tokensUntil(200);
    end();
    return frames;
  };
  expect(tokensByFrame(false)).toEqual([...Array.from({ length: 20 }, () => 1), 0]);
  expect(tokensByFrame(true)).toEqual([1, 10, 9]);
});

test('while frames are acknowledged late, tokens share them; then each is sent at once again', () => {
  const { frames, tokensUntil, acknowledge } = startStream({ whole: false, tokenMs: 20 });
  const alone = Array(10).fill(1);
  expect(tokensUntil(200)).toEqual(alone);
  // Frame 3 was sent 140 ms ago, which is not late.
  acknowledge(4);
  expect(tokensUntil(400)).toEqual(alone);
  // Frame 4 was sent 320 ms ago.
  acknowledge(5);
  expect(tokensUntil(800).length).toBeLessThan(15);
  // Frame 5 was sent 700 ms ago.
  acknowledge(6);
  expect(tokensUntil(1_200).length).toBeLessThan(7);
  acknowledge(frames.length);
  expect(tokensUntil(1_400).slice(-5)).toEqual(alone.slice(-5));
});
