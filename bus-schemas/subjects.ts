/**
 * All subjects of the bus are built and parsed in this file.
 *
 * In the account CORE, a provider's subjects have its id in the second place: `up.<P>.…` from the
 * provider, `down.<P>.…` to it. The provider's own account imports the two as plain `up.…` and
 * `down.…`, so that it cannot name another provider.
 */

export const UP_KINDS = ['hello', 'beat', 'capacity', 'trust', 'receipt', 'faults'] as const;
export const DOWN_KINDS = [
  'job',
  'flow',
  'cancel',
  'load',
  'challenge',
  'ack',
  'judgement',
  'demand',
  'desired',
] as const;
export type UpKind = (typeof UP_KINDS)[number];
export type DownKind = (typeof DOWN_KINDS)[number];
export type ComponentName =
  | 'ingress'
  | 'routing'
  | 'settlement'
  | 'accounts'
  | 'catalog'
  | 'trust'
  | 'telemetry';

/** Subjects as the coordinator uses them, in the account CORE. */
export const core = {
  up: (provider: string, kind: UpKind) => `up.${provider}.${kind}`,
  everyUp: (kind: UpKind) => `up.*.${kind}`,
  frames: (provider: string, ingress: string, job: string) =>
    `up.${provider}.out.${ingress}.${job}`,
  everyFrameOf: (ingress: string) => `up.*.out.${ingress}.*`,
  everyFrameGroupOf: (ingress: string) => `up.*.frames.${ingress}`,
  down: (provider: string, kind: DownKind) => `down.${provider}.${kind}`,
  cell: (cell: number) => `cell.${cell}`,
  everyCell: 'cell.*',
  lease: (name: string) => `lease.${name}`,
  leaseHolder: (name: string) => `lease.${name}.holder`,
  service: (component: ComponentName, method: string) => `svc.${component}.${method}`,
  /** The calls of a service that every copy of its component receives. */
  everyCopy: (service: string) => `${service}.copies`,
  everyCopyOf: (component: ComponentName) => `svc.${component}.*.copies`,
} as const;

/** Subjects as a provider uses them, in its own account. */
export const provider = {
  up: (kind: UpKind) => `up.${kind}`,
  frames: (ingress: string, job: string) => `up.out.${ingress}.${job}`,
  frameGroup: (ingress: string) => `up.frames.${ingress}`,
  down: (kind: DownKind) => `down.${kind}`,
  everyDown: 'down.>',
} as const;

export type EventSubject = (typeof events)[keyof typeof events];

/** Subjects of facts, which JetStream stores and operators' tools can read. */
export const events = {
  jobAttempt: 'evt.job.attempt',
  jobEnded: 'evt.job.ended',
  routingDecision: 'evt.routing.decision',
  routingFleet: 'evt.routing.fleet',
  routingLed: 'evt.routing.led',
  routingSwitched: 'evt.routing.switched',
  settlementSettled: 'evt.settlement.settled',
  settlementPosted: 'evt.settlement.posted',
  settlementTermsChanged: 'evt.settlement.terms-changed',
  settlementAlert: 'evt.settlement.alert',
  trustEnrolled: 'evt.trust.enrolled',
  trustRevoked: 'evt.trust.revoked',
  trustConnected: 'evt.trust.connected',
  trustDisconnected: 'evt.trust.disconnected',
  trustVerdict: 'evt.trust.verdict',
  trustHead: 'evt.trust.head',
  accountsKeyChanged: 'evt.accounts.key-changed',
  accountsAccountChanged: 'evt.accounts.account-changed',
  accountsSessionEnded: 'evt.accounts.session-ended',
  accountsStoredStopped: 'evt.accounts.stored-stopped',
  accountsBatchChanged: 'evt.accounts.batch-changed',
  catalogChanged: 'evt.catalog.changed',
  telemetryViolation: 'evt.telemetry.violation',
  telemetryFaults: 'evt.telemetry.faults',
} as const;

export const everyEvent = 'evt.>';

/**
 * Returns the provider that sent a message on an `up.<P>.…` subject. The provider cannot forge it,
 * because the hub writes this token.
 */
export function providerOf(subject: string): string {
  return subject.split('.', 2)[1] ?? '';
}

/**
 * Returns parts of `up.<P>.out.<ingress>.<job>`. Every frame passes here, so no array is allocated.
 */
export function parseFrameSubject(subject: string): { provider: string; job: string } {
  const start = subject.indexOf('.') + 1;
  return {
    provider: subject.slice(start, subject.indexOf('.', start)),
    job: subject.slice(subject.lastIndexOf('.') + 1),
  };
}
