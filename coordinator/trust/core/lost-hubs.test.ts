import { describe, expect, test } from 'vitest';
import { type HubAnswer, hubRound, type KnownHub } from './lost-hubs.ts';

const hub = (name: string, routes: string[], id = `id-${name}`): HubAnswer => ({
  id,
  name,
  routes,
});
const ALL = [hub('a', ['b', 'c']), hub('b', ['a', 'c']), hub('c', ['a', 'b'])];
const WITHOUT_C = [hub('a', ['b']), hub('b', ['a'])];

/** Plays rounds of answers one after another, and returns the names of the lost hubs by round. */
function play(rounds: readonly (readonly HubAnswer[])[]): string[][] {
  let known: readonly KnownHub[] = [];
  return rounds.map((answers) => {
    const round = hubRound(known, answers);
    known = round.known;
    return round.lost.map(({ id }) => id);
  });
}

describe('a hub of a cluster', () => {
  test('that is silent for two rounds and has no route left is lost, once', () => {
    expect(play([ALL, WITHOUT_C, WITHOUT_C, WITHOUT_C])).toEqual([[], [], ['id-c'], []]);
  });

  test('that is silent while another hub keeps its route to it is slow, not lost', () => {
    const slow = [hub('a', ['b', 'c']), hub('b', ['a'])];
    expect(play([ALL, slow, slow, slow, ALL])).toEqual([[], [], [], [], []]);
  });

  test('that was silent with a route is lost as soon as it has no route', () => {
    const slow = [hub('a', ['b', 'c']), hub('b', ['a'])];
    expect(play([ALL, slow, slow, WITHOUT_C, WITHOUT_C])).toEqual([[], [], [], ['id-c'], []]);
  });

  test('that answers again after one silent round is not lost', () => {
    expect(play([ALL, WITHOUT_C, ALL, WITHOUT_C, ALL])).toEqual([[], [], [], [], []]);
  });

  test('that was restarted under its name is lost at once as its old process', () => {
    expect(play([ALL, [...WITHOUT_C, hub('c', ['a', 'b'], 'id-c-2')]])).toEqual([[], ['id-c']]);
  });

  test('that was lost and answers again is listed again', () => {
    expect(play([ALL, WITHOUT_C, WITHOUT_C, ALL, WITHOUT_C, WITHOUT_C])).toEqual([
      [],
      [],
      ['id-c'],
      [],
      [],
      ['id-c'],
    ]);
  });

  test('is not lost by rounds in which no hub answers, because trust itself is disconnected', () => {
    expect(play([ALL, [], [], [], ALL])).toEqual([[], [], [], [], []]);
  });

  test('is alone only if it answers and knows no other hub', () => {
    const isAlone = (...rounds: readonly (readonly HubAnswer[])[]) =>
      rounds.reduce((before, answers) => hubRound(before.known, answers), {
        known: [],
        lost: [],
        isAlone: false,
      } as ReturnType<typeof hubRound>).isAlone;
    expect(isAlone([hub('a', [])])).toBe(true);
    expect(isAlone([hub('a', [])], [])).toBe(false);
    expect(isAlone([hub('a', ['b'])])).toBe(false);
    expect(isAlone([hub('a', ['b']), hub('b', ['a'])], [hub('a', [])])).toBe(false);
  });

  test('is one of at most 256 that are stored', () => {
    const many = Array.from({ length: 1_000 }, (_, index) => hub(`hub-${index}`, []));
    expect(hubRound([], many).known).toHaveLength(256);
  });
});
