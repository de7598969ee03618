import { beforeEach, describe, expect, test } from 'vitest';
import {
  KEEP_MS,
  LiveAccounts,
  type LivePage,
  MAX_ACCOUNTS,
  MAX_STREAMS,
} from './live-accounts.ts';
import { keyEvents, machineEvents, postedEvents, settledEvents } from './live-events.ts';
import { KEPT_EVENTS, type Resumption } from './live-log.ts';

const ANN = 'acct_ann0';
const BOB = 'acct_bob0';
const MACHINE = `A${'B'.repeat(55)}`;

let now = 0;
let accounts: LiveAccounts;
beforeEach(() => {
  now = 1_000;
  accounts = new LiveAccounts(() => now);
});

/** A page that notes what it receives. */
class NotedPage implements LivePage {
  readonly session: string;
  readonly received: string[] = [];
  readonly facts: string[] = [];
  resumption: Resumption | undefined;
  lastId: string | undefined;

  constructor(session = 'sess_1') {
    this.session = session;
  }
  begin(resumption: Resumption): void {
    this.resumption = resumption;
    for (const { event } of resumption.missed) this.facts.push(event.fact);
    this.lastId = resumption.id;
    this.received.push(resumption.isComplete ? 'ready' : 'reset');
  }
  send({ name, fact }: { name: string; fact: string }, id: string): void {
    this.received.push(name);
    this.facts.push(fact);
    this.lastId = id;
  }
  stale(): void {
    this.received.push('stale');
  }
  reset(id: string): void {
    this.received.push('reset');
    this.lastId = id;
  }
  end(): void {
    this.received.push('end');
  }
}

function joined(
  account: string,
  { page = new NotedPage(), lastId }: { page?: NotedPage; lastId?: string | undefined } = {},
) {
  accounts.open(account);
  accounts.join(account, page, lastId);
  return page;
}

const keyChanged = (account: string, at: number) => keyEvents({ account, key: 'key_0000', at });
const settled = (job: string) =>
  settledEvents({
    job,
    account: ANN,
    at: 7,
    outcome: 'settled',
    heldMicroUsd: 90,
    chargedMicroUsd: 70,
    providerMicroUsd: 60,
    feeMicroUsd: 10,
    referralMicroUsd: 0,
    provider: MACHINE,
  });

describe('a page', () => {
  test('receives the facts of its own account, reduced to what it may see', () => {
    const [ann, bob] = [joined(ANN), joined(BOB)];
    accounts.addMachines(BOB, [MACHINE]);
    const events = settled('job_1');
    accounts.publish(events);
    accounts.publish(machineEvents({ provider: MACHINE, at: 8 }, 'silent'));
    accounts.publish(keyChanged(ANN, 9));
    expect([ann.received, bob.received]).toEqual([
      ['ready', 'job', 'key'],
      ['ready', 'earned', 'machine'],
    ]);
    const at = '1970-01-01T00:00:00.007Z';
    expect(events.map(([, { data }]) => data)).toEqual([
      { at, job_id: 'job_1', outcome: 'settled', cost_micro_usd: 70 },
      { at, machine: MACHINE, job_id: 'job_1', earned_micro_usd: 60 },
    ]);
  });

  test('receives the part of a movement of money that is of its account', () => {
    const entries = [
      { account: `consumer:${ANN}`, amountMicroUsd: 5, earnedMicroUsd: 0 },
      { account: 'external:promotions', amountMicroUsd: -5, earnedMicroUsd: 0 },
    ];
    const events = postedEvents({ operation: 'a secret name', kind: 'credit', at: 7, entries });
    expect(events).toMatchObject([[{ account: ANN }, { name: 'balance' }]]);
    expect(JSON.stringify(events[0]?.[1].data)).not.toContain('secret');
  });

  test('receives a fact once, although its publisher repeats it', () => {
    const page = joined(ANN);
    accounts.publish([...keyChanged(ANN, 1), ...keyChanged(ANN, 1), ...keyChanged(ANN, 2)]);
    expect(page.received).toEqual(['ready', 'key', 'key']);
  });

  test('continues behind its last event, without loss and without repetition', () => {
    const first = joined(ANN);
    accounts.publish(keyChanged(ANN, 1));
    const { lastId } = first;
    accounts.leave(ANN, first);
    accounts.publish([...keyChanged(ANN, 2), ...keyChanged(ANN, 3)]);
    const second = joined(ANN, { lastId });
    accounts.publish(keyChanged(ANN, 4));
    expect([...first.facts, ...second.facts]).toEqual(
      [1, 2, 3, 4].map((at) => `key key_0000 ${at}`),
    );
    expect(second.resumption?.isComplete).toBe(true);
  });

  test.each([
    ['of another ingress', () => 'abcdefghijkl-1'],
    ['that no ingress made', () => '../../etc'],
    ['of the future', (id: string) => id.replace(/\d+$/, '999')],
  ])('with an id %s is told to read everything again', (_, idFrom) => {
    const { lastId = '' } = joined(ANN);
    expect(joined(ANN, { lastId: idFrom(lastId) }).received).toEqual(['reset']);
  });

  test('that missed more events than are kept is told to read everything again', () => {
    const first = joined(ANN);
    accounts.publish(keyChanged(ANN, 0));
    for (let at = 1; at <= KEPT_EVENTS; at += 1) accounts.publish(keyChanged(ANN, at));
    const kept = joined(ANN, { lastId: first.resumption?.id.replace(/\d+$/, '1') });
    expect([kept.received, kept.facts.length]).toEqual([['ready'], KEPT_EVENTS]);
    expect(joined(ANN, { lastId: first.resumption?.id }).received).toEqual(['reset']);
  });

  test('is stale while the hub is away, and is then told to read everything again', () => {
    const page = joined(ANN);
    const before = page.lastId;
    accounts.stale();
    expect(accounts.lose()).toEqual([ANN]);
    accounts.reset(ANN);
    expect(page.received).toEqual(['ready', 'stale', 'reset']);
    expect(joined(ANN, { lastId: before }).received).toEqual(['reset']);
    expect(joined(ANN, { lastId: page.lastId }).received).toEqual(['ready']);
  });

  test('ends with its session, or with all sessions of its account', () => {
    const [first, second, bob] = [
      joined(ANN, { page: new NotedPage('sess_1') }),
      joined(ANN, { page: new NotedPage('sess_2') }),
      joined(BOB),
    ];
    accounts.end(ANN, 'sess_1');
    expect([first.received.at(-1), second.received.at(-1)]).toEqual(['end', 'ready']);
    accounts.end(ANN);
    expect([second.received.at(-1), bob.received.at(-1)]).toEqual(['end', 'ready']);
  });
});

describe('the memory for pages', () => {
  test('has a maximum of streams for each session', () => {
    accounts.open(ANN);
    const join = (session: string) => accounts.join(ANN, new NotedPage(session), undefined);
    const joins = Array.from({ length: MAX_STREAMS + 1 }, () => join('sess_1'));
    expect(joins.lastIndexOf(true)).toBe(MAX_STREAMS - 1);
    expect([join('sess_1'), join('sess_2')]).toEqual([false, true]);
    expect(accounts.streams).toBe(MAX_STREAMS + 1);
  });

  test('forgets an account some minutes after its last page has left', () => {
    const page = joined(ANN);
    accounts.leave(ANN, page);
    now += KEEP_MS - 1;
    accounts.open(BOB);
    const again = joined(ANN, { lastId: page.lastId });
    expect(again.received).toEqual(['ready']);
    accounts.leave(ANN, again);
    now += KEEP_MS;
    accounts.open(BOB);
    expect(joined(ANN, { lastId: again.lastId }).received).toEqual(['reset']);
  });

  test('has a maximum of accounts: one without pages gives way, and none with pages does', () => {
    const page = joined(ANN);
    for (let opened = 1; opened < MAX_ACCOUNTS; opened += 1) joined(`acct_${opened}`);
    expect(accounts.open(BOB)).toBe(false);
    accounts.leave(ANN, page);
    expect(joined(BOB).received).toEqual(['ready']);
    expect(accounts.open(ANN)).toBe(false);
  });
});
