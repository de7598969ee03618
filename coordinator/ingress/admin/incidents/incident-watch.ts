import type { Logger } from 'pino';
import { events, MAX_HUBS, SettlementAlert, services, TrustVerdict } from '#bus-schemas';
import { CHECKS, type CheckDeps, lostHubs } from './incident-checks.ts';
import type { IncidentAlert } from './incident-kinds.ts';
import {
  type IncidentFinding,
  type Incidents,
  NO_INCIDENTS,
  withObservation,
} from './incident-list.ts';

const ROUND_MS = 15_000;
const HUBS_TIMEOUT_MS = 5_000;

export interface IncidentWatchOptions extends CheckDeps {
  readonly log: Logger;
}

/**
 * Looks every 15 s for what is wrong in the network, and remembers since when, for operators without
 * Prometheus. It begins with this ingress: an operator sees the time since when it watches.
 */
export class IncidentWatch implements AsyncDisposable {
  readonly watchesSince: number;
  readonly #options: IncidentWatchOptions;
  readonly #timer: NodeJS.Timeout;
  readonly #subscriptions: readonly { unsubscribe(): void }[];
  /** Hubs that have answered since this watch began. */
  readonly #hubs = new Set<string>();
  #incidents: Incidents = NO_INCIDENTS;
  #round: Promise<void> | undefined;
  #hasLooked = false;

  constructor(options: IncidentWatchOptions) {
    const { bus, now } = options;
    this.#options = options;
    this.watchesSince = now();
    this.#timer = setInterval(() => void this.#look(), ROUND_MS);
    this.#subscriptions = [
      bus.subscribe({
        subject: events.settlementAlert,
        kind: SettlementAlert,
        // What settlement reports at one moment. Its other alerts are states, which a check observes.
        handle: ({ alert, subject }) => {
          if (alert === 'ledger_drift')
            this.#note({ alert: 'DinfLedgerDrift', subject, values: {} });
          else if (alert === 'operation_conflict' || alert === 'poison_event')
            this.#note({
              alert: 'DinfSettlementConflict',
              subject,
              values: { kind: alert, subject },
            });
        },
      }),
      bus.subscribe({
        subject: events.trustVerdict,
        kind: TrustVerdict,
        handle: ({ provider, standing, fault }) => {
          if (standing === 'untrusted')
            this.#note({
              alert: 'DinfMachinesUntrusted',
              subject: provider,
              values: { machine: provider, fault: fault ?? '' },
            });
        },
      }),
    ];
  }

  /** The incidents of the last round. The first reader may have to wait for the first one. */
  async now(): Promise<Incidents> {
    if (!this.#hasLooked) await this.#look();
    return this.#incidents;
  }

  #note(finding: IncidentFinding): void {
    const observation = { checked: new Set<IncidentAlert>(), findings: [finding] };
    this.#incidents = withObservation(this.#incidents, observation, this.#options.now());
  }

  #look(): Promise<void> {
    this.#round ??= this.#lookAtAll().finally(() => {
      this.#round = undefined;
    });
    return this.#round;
  }

  async #lookAtAll(): Promise<void> {
    const checks = [...CHECKS, { alerts: ['DinfHubLost'] as const, run: () => this.#hubsLost() }];
    const checked = new Set<IncidentAlert>();
    const findings: IncidentFinding[] = [];
    const look = async ({ alerts, run }: (typeof checks)[number]) => {
      try {
        findings.push(...(await run(this.#options)));
        for (const alert of alerts) checked.add(alert);
      } catch (error) {
        // A part that does not answer is an incident of its own, which another check finds.
        this.#options.log.debug({ err: error, alerts }, 'a check for incidents had no answer');
      }
    };
    await Promise.all(checks.map(look));
    this.#hasLooked = true;
    this.#incidents = withObservation(this.#incidents, { checked, findings }, this.#options.now());
  }

  async #hubsLost(): Promise<IncidentFinding[]> {
    const { bus } = this.#options;
    const { hubs } = await bus.call(services.trust.hubs, {}, { timeoutMs: HUBS_TIMEOUT_MS });
    for (const { name } of hubs) if (this.#hubs.size < MAX_HUBS) this.#hubs.add(name);
    return lostHubs(this.#hubs, hubs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    await this.#round;
  }
}
