import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Timeline } from './timeline.ts';

test('every event runs once, in the order of its time and then in the order of planning', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({ at: fc.nat(20), plansMore: fc.option(fc.nat(10), { nil: undefined }) }),
        { maxLength: 60 },
      ),
      (plans) => {
        const timeline = new Timeline();
        const happened: { at: number; name: string }[] = [];
        for (const [index, { at, plansMore }] of plans.entries()) {
          timeline.at(at, () => {
            happened.push({ at: timeline.now, name: `${index}` });
            if (plansMore !== undefined)
              timeline.after(plansMore, () =>
                happened.push({ at: timeline.now, name: `${index} then` }),
              );
          });
        }
        timeline.runUntil(10);
        expect(happened.every(({ at }) => at <= 10)).toBe(true);
        timeline.runUntil(1_000);
        expect(happened).toHaveLength(
          plans.length + plans.filter(({ plansMore }) => plansMore !== undefined).length,
        );
        expect(happened.map(({ at }) => at)).toEqual(
          happened.map(({ at }) => at).toSorted((one, other) => one - other),
        );
        const first = plans
          .map(({ at }, index) => ({ at, index }))
          .sort((one, other) => one.at - other.at || one.index - other.index);
        expect(
          happened.filter(({ name }) => !name.includes('then')).map(({ name }) => name),
        ).toEqual(first.map(({ index }) => `${index}`));
      },
    ),
  );
});
