import { isNkeySigned } from '../accounts/nkey.ts';
import { type Evidence, evidenceText } from './evidence.ts';

/**
 * Whether the key on the bus that the evidence names has signed it too; undefined without such a
 * signature.
 *
 * The attack: an attacker between leaf and hub presents a signing key of their own at the first
 * contact of a machine, before the network knows the machine's key.
 */
export const isSignedByBusKey = (evidence: Evidence): boolean | undefined =>
  evidence.busSignature &&
  isNkeySigned({
    kind: 'user',
    publicKey: evidence.busKey,
    input: evidenceText(evidence),
    signature: evidence.busSignature,
  });
