import { type Evidence, isEvidenceSigned, isSame, SUITE_ID } from '#bus-schemas';
import type { Finding } from './standing.ts';

/** What is known of the machine that the evidence is of, and what counts as good. */
export interface Known {
  readonly provider: string;
  /** Its key on the bus, from its enrolment. */
  readonly busKey: string;
  /** The key that it showed before, if it did. */
  readonly signingKey: Uint8Array | undefined;
  /**
   * Undefined while it is not known whose clock is right: the nonce alone shows then that the
   * evidence is new.
   */
  readonly now: number | undefined;
  readonly runsActiveCode: boolean;
  /**
   * Whether Apple vouches for this key and the state of its device; undefined where there is no
   * word of Apple's.
   */
  readonly vouched: (evidence: Evidence) => boolean | undefined;
}

/** A machine's clock may be off by so much. */
const CLOCK_MS = 2 * 60_000;

/** What evidence comes to that answers its challenge. What is missing counts against it. */
export function examine(evidence: Evidence, known: Known): Finding {
  if (!isEvidenceSigned(evidence)) return caught('bad_signature');
  if (evidence.provider !== known.provider) return caught('wrong_provider');
  if (evidence.busKey !== known.busKey) return caught('wrong_bus_key');
  if (known.signingKey !== undefined && !isSame(known.signingKey, evidence.signingKey))
    return caught('other_signing_key');
  return review(evidence, known) ?? shownBy(evidence, known);
}

/** The part that may change without the machine: what was good code yesterday may be none today. */
export function reexamine(
  evidence: Evidence,
  known: Pick<Known, 'runsActiveCode' | 'vouched'>,
): Finding {
  return standingCode(known) ?? shownBy(evidence, known);
}

function review(evidence: Evidence, known: Known): Finding | undefined {
  const { systemIntegrity, secureBoot, authenticatedRoot } = evidence.posture;
  const protections = [systemIntegrity, secureBoot, authenticatedRoot];
  if (protections.includes('off')) return caught('posture_off');
  // A key that claims to be in a Secure Enclave is on a Mac, and a Mac can say how it was started.
  if (evidence.keyStore === 'secure_enclave' && protections.includes('unknown'))
    return barred('posture_unknown');
  if (known.now !== undefined && Math.abs(evidence.at - known.now) > CLOCK_MS)
    return barred('clock_off');
  if (evidence.suite !== SUITE_ID) return barred('unsupported_suite');
  return standingCode(known);
}

const standingCode = ({ runsActiveCode }: Pick<Known, 'runsActiveCode'>): Finding | undefined =>
  runsActiveCode ? undefined : barred('unknown_code');

function shownBy(evidence: Evidence, { vouched }: Pick<Known, 'vouched'>): Finding {
  // A simulated Mac, and a key that can be copied, never rank above what anybody can say of
  // himself.
  const word =
    evidence.simulated || evidence.keyStore === 'software' ? undefined : vouched(evidence);
  if (word === undefined) return { is: 'shown', level: 'self_signed' };
  return word ? { is: 'shown', level: 'hardware' } : caught('bad_certificates');
}

const caught = (fault: Extract<Finding, { is: 'caught' }>['fault']): Finding => ({
  is: 'caught',
  fault,
});
const barred = (fault: Extract<Finding, { is: 'barred' }>['fault']): Finding => ({
  is: 'barred',
  fault,
});
