import type { JsMsg } from '@nats-io/jetstream';
import { CodecError, events, FaultsReported, JobAttempt, JobEnded, Violation } from '#bus-schemas';

export type Fact =
  | { readonly kind: 'ended'; readonly value: JobEnded }
  | { readonly kind: 'attempt'; readonly value: JobAttempt }
  | { readonly kind: 'violation'; readonly value: Violation }
  | { readonly kind: 'faults'; readonly value: FaultsReported };

/**
 * Returns undefined for a fact that telemetry does not count or cannot decode, so that it does not
 * block other facts.
 */
export function factOf({ subject, data }: JsMsg): Fact | undefined {
  try {
    switch (subject) {
      case events.jobEnded:
        return { kind: 'ended', value: JobEnded.decode(data) };
      case events.jobAttempt:
        return { kind: 'attempt', value: JobAttempt.decode(data) };
      case events.telemetryViolation:
        return { kind: 'violation', value: Violation.decode(data) };
      case events.telemetryFaults:
        return { kind: 'faults', value: FaultsReported.decode(data) };
      default:
        return undefined;
    }
  } catch (error) {
    if (error instanceof CodecError) return undefined;
    throw error;
  }
}
