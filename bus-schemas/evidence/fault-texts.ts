import type { TrustFault } from '../messages/vocabulary.ts';

/** Explanations for the owner of a machine, with the next step. */
export const trustFaultTexts: Readonly<Record<TrustFault, string>> = {
  bad_signature:
    'Its evidence is not signed with its key. Enrol it again; if that does not help, its program was changed.',
  wrong_provider:
    'It sent the evidence of another machine. Each machine needs a folder (DINF_HOME) of its own.',
  wrong_bus_key: 'Its key on the bus is not the one that it was enrolled with. Enrol it again.',
  other_signing_key:
    'Its signing key differs from its earlier one. Enrol it again; work that was signed with the old key stays paid.',
  posture_off:
    'System Integrity Protection, Secure Boot or the sealed system volume is switched off. Switch it on in macOS Recovery and ask the operator to pardon the machine.',
  posture_unknown:
    'Its system does not report whether System Integrity Protection and Secure Boot are on. Update macOS, or ask the operator.',
  bad_certificates:
    "Apple's certificates are for another key, have expired, or report that a protection is off. Ask the operator to request new ones.",
  clock_off:
    'Its clock is wrong by more than two minutes. Set the time automatically from a time server.',
  unknown_code: 'It runs a release that is not active, or not any more. Update the program.',
  unsupported_suite: 'Its sealing suite is not supported by this network. Update the program.',
  wrong_model:
    'Its answers to test questions are those of another model. Download the model again and ask the operator to pardon the machine.',
  overbilled:
    'It billed more tokens than its answers contain, in several samples of one day. Install the published program and model and ask the operator to pardon the machine.',
  unproven_bus_key:
    'Its evidence is not signed with its key on the bus. Update the program; if that does not help, enrol it again.',
  no_answer:
    'It did not answer three requests for its evidence. Check that the provider runs and is connected.',
};
