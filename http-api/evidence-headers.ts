import { hex } from '#bus-schemas';
import type { RoutingChoice, ServingDetails } from './answer.ts';

/**
 * Headers with the machine that answered, and with the times before the first content. The
 * provider's own statements in them are not proof.
 */
export function evidenceHeaders(details: ServingDetails): Record<string, string> {
  const {
    provider,
    build,
    chip,
    simulated,
    engine,
    level,
    attempt,
    receiptSalt,
    parseUs,
    routeUs,
    holdUs,
    firstContentUs,
    choice,
  } = details;
  return {
    'x-provider-id': provider,
    'x-provider-build': build,
    'x-provider-encrypted': 'true',
    'x-provider-trust-level': level,
    'x-inference-attempts': String(attempt),
    'x-timing': JSON.stringify({
      parse_us: parseUs,
      route_us: routeUs,
      hold_us: holdUs,
      first_content_us: firstContentUs,
    }),
    ...(choice && { 'x-dinf-routing': choiceText(details, choice) }),
    ...(receiptSalt !== undefined && { 'x-receipt-salt': hex(receiptSalt) }),
    ...(chip !== undefined && { 'x-provider-chip': headerText(chip) }),
    ...(engine !== undefined && { 'x-provider-engine': engine }),
    ...(simulated !== undefined && { 'x-provider-simulated': String(simulated) }),
  };
}

/**
 * The machine that routing chose, and why, as JSON. It has no content of the request. The weights
 * have been attested; the trust level is the verdict of this network.
 */
function choiceText(
  { provider, build, level, attempt }: ServingDetails,
  { weights, queuedMs, expectedFirstContentMs, terms, costMicroUsd }: RoutingChoice,
): string {
  return JSON.stringify({
    provider,
    build,
    weights_sha256: weights ?? null,
    trust_level: level,
    attempts: attempt,
    queued_ms: queuedMs,
    expected_first_content_ms: Math.round(expectedFirstContentMs),
    terms_ms: terms ?? null,
    max_cost_micro_usd: costMicroUsd ?? null,
  });
}

/**
 * Replaces characters that a header may not contain. A hostile provider could otherwise insert line
 * breaks, and with them headers of its own.
 */
function headerText(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?');
}
