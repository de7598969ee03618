import type { Logger } from 'pino';
import { MAX_STANDINGS, type MachineStanding, type RewardPolicy, services } from '#bus-schemas';
import { type Bus, BusError } from '#coordinator/bus.ts';
import type { Alerts } from '../alerts.ts';
import type { RewardCandidate } from '../core/rewards.ts';
import type { PromotionStore } from './promotion-store.ts';
import { operationOf, type RewardPayments } from './reward-payments.ts';
import type { CollectedHour, MachineFigures, RewardStore } from './reward-store.ts';

const CALL = { timeoutMs: 5_000 };
const DAY_MS = 86_400_000;
/** Payments that one run makes before it reads what is due again. */
const BATCH = 500;
const { MAX_READY_MACHINES } = services;

export interface RewardJobOptions {
  readonly bus: Pick<Bus, 'call'>;
  readonly store: RewardStore;
  readonly promotions: PromotionStore;
  readonly payments: RewardPayments;
  readonly alerts: Pick<Alerts, 'raise'>;
  readonly log: Logger;
  readonly everyMs: number;
  /** Facts wait in the outbox. */
  readonly onPaid: () => void;
}

/**
 * Pays base rewards. It collects what machines did, decides each day once it is over, and pays what
 * was decided. Each step is stored before the next one begins, and repeating a step changes nothing,
 * so any number of processes may run this and may be killed at any time.
 */
export class RewardJob implements AsyncDisposable {
  readonly #options: RewardJobOptions;
  readonly #timer: NodeJS.Timeout;
  #running: Promise<void> | undefined;

  constructor(options: RewardJobOptions) {
    this.#options = options;
    this.#timer = setInterval(() => {
      this.#running ??= this.run()
        .catch((error: unknown) =>
          options.log.warn(
            { err: error },
            'base rewards could not be collected, decided or paid; the next interval tries again',
          ),
        )
        .finally(() => {
          this.#running = undefined;
        });
    }, options.everyMs);
  }

  async run(): Promise<void> {
    const { store } = this.#options;
    if (!(await store.isOn())) return;
    // A day is decided only when its last minutes are collected.
    if (await this.collect()) {
      const lastDay = await store.lastDay();
      await this.decide(lastDay);
      await this.decidePromotions(lastDay);
    }
    await this.pay();
  }

  /** Stores what machines did. Returns false if routing or trust did not answer. */
  async collect(): Promise<boolean> {
    const { store } = this.#options;
    try {
      let after: string | undefined;
      do {
        after = await this.#collectPage(after);
      } while (after !== undefined);
    } catch (error) {
      if (!(error instanceof BusError)) throw error;
      this.#options.log.info({ err: error }, 'the minutes of machines could not be collected');
      return false;
    }
    await store.deleteOldHours();
    return true;
  }

  /** Returns the last machine of the page; undefined if there is no further page. */
  async #collectPage(after: string | undefined): Promise<string | undefined> {
    const { bus, store } = this.#options;
    const request = after === undefined ? {} : { after };
    const { machines } = await bus.call(services.routing.readyHours, request, CALL);
    const standings = await this.#standings(machines.map(({ provider }) => provider));
    const hours = machines.flatMap(({ provider, memoryMb, hours: all }): CollectedHour[] =>
      all.map(({ at, servingMinutes, idleMinutes }) => ({
        provider,
        at,
        serving: servingMinutes,
        idle: idleMinutes,
        level: standings.get(provider)?.level ?? 'none',
        ...(memoryMb !== undefined && { memoryMb }),
      })),
    );
    await store.collect(hours);
    return machines.length < MAX_READY_MACHINES ? undefined : machines.at(-1)?.provider;
  }

  /** Decides all days up to this one that are not decided. */
  async decide(through: string): Promise<void> {
    const { store, log } = this.#options;
    for (const { day, policy } of await store.undecided(through)) {
      const candidates = await this.#candidates(day, policy);
      const decided = await store.decide(day, policy, candidates);
      if (decided === undefined) continue;
      const { rewarded, amount } = decided;
      log.info(
        { day, machines: candidates.length, rewarded, amountMicroUsd: amount },
        'the base rewards of a day are decided',
      );
    }
  }

  /** Decides all days of promotions up to this one that are not decided. */
  async decidePromotions(through: string): Promise<void> {
    const { promotions, log } = this.#options;
    for (const { day, promotion } of await promotions.undecided(through)) {
      const answers = await promotions.answers(day, promotion);
      const byMachine = Map.groupBy(answers, ({ provider }) => provider);
      const standings = await this.#standings([...byMachine.keys()]);
      const machines = [...byMachine].map(([provider, own]) => ({
        provider,
        account: standings.get(provider)?.account,
        isExcluded: standings.get(provider)?.isExcluded ?? true,
        answers: own,
      }));
      const amountMicroUsd = await promotions.decide(day, promotion, machines);
      if (amountMicroUsd !== undefined)
        log.info(
          { promotion: promotion.promotion, day, machines: machines.length, amountMicroUsd },
          'the day of a promotion is decided',
        );
    }
  }

  async #candidates(day: string, policy: RewardPolicy): Promise<RewardCandidate[]> {
    const figures = await this.#options.store.figures(day, policy);
    const standings = await this.#standings(figures.map(({ provider }) => provider));
    const begin = Date.parse(day);
    return figures.flatMap((machine) => {
      const standing = standings.get(machine.provider);
      return standing === undefined ? [] : [candidateOf(machine, standing, begin)];
    });
  }

  async #standings(providers: readonly string[]): Promise<Map<string, MachineStanding>> {
    const known = new Map<string, MachineStanding>();
    for (let from = 0; from < providers.length; from += MAX_STANDINGS) {
      const some = providers.slice(from, from + MAX_STANDINGS);
      const { machines } = await this.#options.bus.call(
        services.trust.standings,
        { providers: some },
        CALL,
      );
      for (const machine of machines) known.set(machine.provider, machine);
    }
    return known;
  }

  /** Pays everything that is due. What another process pays at the same time is left to it. */
  async pay(): Promise<void> {
    const { payments, alerts, onPaid } = this.#options;
    const seen = new Set<string>();
    for (;;) {
      const due = (await payments.due(BATCH)).filter((row) => !seen.has(operationOf(row)));
      if (due.length === 0) return;
      for (const row of due) {
        seen.add(operationOf(row));
        if (!(await payments.pay(row))) alerts.raise('operation_conflict', operationOf(row));
      }
      onPaid();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }
}

const candidateOf = (
  machine: MachineFigures,
  { account, linkedAt, isExcluded, sharesComputer }: MachineStanding,
  begin: number,
): RewardCandidate => ({
  ...machine,
  account,
  isExcluded,
  sharesComputer,
  ageDays: Math.max(0, Math.floor((begin - linkedAt) / DAY_MS)),
});
