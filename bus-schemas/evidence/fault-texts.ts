import type { TrustFault } from '../messages/vocabulary.ts';

/** Explanations for the owner of a machine, with the next step. */
export const trustFaultTexts: Readonly<Record<TrustFault, string>> = {
  bad_signature:
    'What it says of itself is not signed with its key. Enrol it again; if that does not help, somebody changed its program.',
  wrong_provider:
    'It showed what another machine had said. Each machine needs a folder (DINF_HOME) of its own.',
  wrong_bus_key: 'Its key on the bus is not the one that it was enrolled with. Enrol it again.',
  other_signing_key:
    'Its signing key is another one than before. Enrol it again: work that was signed with the old one stays paid.',
  posture_off:
    'System Integrity Protection, Secure Boot or the sealed system volume is switched off. Switch it on in macOS Recovery and ask the operator to pardon the machine.',
  posture_unknown:
    'Its system does not say whether System Integrity Protection and Secure Boot are on.',
  bad_certificates:
    "Apple's certificates are not for this key, have expired, or say that a protection is off.",
  clock_off: 'Its clock is more than two minutes off. Let it follow a time server.',
  unknown_code: 'It runs a release that is not, or no longer, an active one. Update it.',
  unsupported_suite: 'It seals in a way that this network does not know. Update it.',
  wrong_model:
    'It answered questions whose answers are known as another model would. Fetch the model anew and ask the operator to pardon the machine.',
  overbilled:
    'It billed more tokens than its answers hold, in several samples of one day. Install the published program and model and ask the operator to pardon the machine.',
  no_answer: 'It was asked three times to show itself and did not answer.',
};
