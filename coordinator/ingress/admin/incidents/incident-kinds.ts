interface IncidentKind {
  readonly severity: 'critical' | 'warning';
  /**
   * How long an incident stays open that happens at one moment, in milliseconds; undefined for a
   * state, which is open while it is observed.
   */
  readonly staysMs?: number;
}

const HOUR_MS = 3_600_000;

/**
 * Incidents that an ingress observes without Prometheus, by the alert of
 * packaging/monitoring/alerts.yml that Prometheus raises for the same condition. Both therefore have
 * the same section in docs/operating/incidents.md.
 */
export const INCIDENT_KINDS = {
  DinfComponentMissing: { severity: 'critical' },
  DinfStreamFails: { severity: 'critical' },
  DinfFactsLost: { severity: 'warning' },
  DinfConsumerBehind: { severity: 'warning' },
  DinfLedgerDrift: { severity: 'critical', staysMs: HOUR_MS },
  DinfSettlementConflict: { severity: 'warning', staysMs: HOUR_MS },
  DinfPayoutStuck: { severity: 'warning' },
  DinfFactsParked: { severity: 'warning' },
  DinfNoLeader: { severity: 'critical' },
  DinfNoMachines: { severity: 'critical' },
  DinfQueueFull: { severity: 'warning' },
  DinfMachinesUntrusted: { severity: 'warning', staysMs: HOUR_MS },
  DinfClockWrong: { severity: 'warning' },
  DinfHubLost: { severity: 'critical' },
} as const satisfies Record<string, IncidentKind>;

export type IncidentAlert = keyof typeof INCIDENT_KINDS;
export const INCIDENT_ALERTS = Object.keys(INCIDENT_KINDS) as IncidentAlert[];

/** The kind of an alert, with its optional parts. */
export const kindOf = (alert: IncidentAlert): IncidentKind => INCIDENT_KINDS[alert];
