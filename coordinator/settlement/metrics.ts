import { Counter, type Registry } from 'prom-client';
import type { Held, SettlementSettled } from '#bus-schemas';

export interface SettlementMetrics {
  /** Counts the answer to a hold, and returns it. */
  countHold(held: Held): Held;
  countSettled(facts: readonly SettlementSettled[]): void;
  countUnsigned(): void;
}

export function settlementMetrics(registry: Registry): SettlementMetrics {
  const registers = [registry];
  const holds = new Counter({
    name: 'dinf_settlement_holds_total',
    help: 'Requests for holds, by answer',
    labelNames: ['answer'],
    registers,
  });
  const ends = new Counter({
    name: 'dinf_settlement_ended_total',
    help: 'Settled and refunded jobs',
    labelNames: ['outcome'],
    registers,
  });
  const charged = new Counter({
    name: 'dinf_settlement_charged_micro_usd_total',
    help: 'Micro-dollars charged to consumers',
    registers,
  });
  const unsigned = new Counter({
    name: 'dinf_settlement_unsigned_total',
    help: 'Served jobs without a signed receipt: neither charged nor paid',
    registers,
  });
  return {
    countUnsigned: () => unsigned.inc(),
    countHold(held) {
      holds.inc({ answer: held.ok ? 'held' : held.code });
      return held;
    },
    countSettled(facts) {
      for (const { outcome, chargedMicroUsd } of facts) {
        ends.inc({ outcome });
        charged.inc(chargedMicroUsd);
      }
    },
  };
}
