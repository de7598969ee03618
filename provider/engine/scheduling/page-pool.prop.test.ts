import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PAGE_TOKENS } from '../decoders/decoder.ts';
import { PagePool, type SequencePages } from './page-pool.ts';

const PAGES = 12;

/**
 * An event of the pool: a sequence begins with a prompt and space for `more` tokens, or the nth
 * running sequence ends.
 */
const event = fc.oneof(
  fc.record({
    k: fc.constant('begin' as const),
    family: fc.integer({ min: 0, max: 2 }),
    scope: fc.constantFrom('a', 'b'),
    prompt: fc.integer({ min: 1, max: 130 }),
    more: fc.integer({ min: 1, max: 80 }),
  }),
  fc.record({ k: fc.constant('end' as const), nth: fc.nat(20) }),
);

/** Prompts of the same family have the same beginning. */
const promptOf = (family: number, length: number): number[] =>
  Array.from({ length }, (_, i) => family * 1_000 + (i % 61));

test('two sequences share a page only if they begin alike, no page is lost, and cached pages keep their contents', () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), (events) => {
      const pool = new PagePool(PAGES);
      const live: { pages: SequencePages; tokens: number[]; scope: string }[] = [];
      /**
       * The content that a decoder would have in each page: the scope and all tokens up to the end
       * of the page, written when a sequence gets the page.
       */
      const memory: string[] = Array.from({ length: PAGES }, () => '');
      for (const happening of events) {
        if (happening.k === 'end') {
          const [ended] = live.splice(happening.nth % Math.max(1, live.length), 1);
          if (ended) pool.release(ended.pages, 0);
          continue;
        }
        const prompt = promptOf(happening.family, happening.prompt);
        const total = prompt.length + happening.more;
        const before = pool.available;
        const pages = pool.take({ prompt, scope: happening.scope, tokens: total });
        if (pages === undefined) {
          expect(pool.available).toBe(before);
          expect(Math.ceil(total / PAGE_TOKENS)).toBeGreaterThan(0);
          continue;
        }
        const tokens = [...prompt, ...Array.from({ length: happening.more }, (_, i) => i % 7)];
        expect(pages.named * PAGE_TOKENS).toBeLessThan(prompt.length);
        for (let n = 0; n < pages.named; n += 1)
          expect(memory[pages.pages[n] as number]).toBe(
            `${happening.scope} ${tokens.slice(0, (n + 1) * PAGE_TOKENS)}`,
          );
        for (let n = pages.named; n < pages.pages.length; n += 1) {
          expect(live.some((other) => other.pages.pages.includes(pages.pages[n] as number))).toBe(
            false,
          );
          memory[pages.pages[n] as number] =
            `${happening.scope} ${tokens.slice(0, (n + 1) * PAGE_TOKENS)}`;
        }
        pool.name(pages, tokens);
        live.push({ pages, tokens, scope: happening.scope });
      }
      for (const { pages } of live) pool.release(pages, 0);
      expect(pool.available).toBe(PAGES);
      expect(pool.trim(1)).toBe(0);
      expect(pool.available).toBe(PAGES);
    }),
    { numRuns: 400 },
  );
});
