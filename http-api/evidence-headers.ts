import { hex } from '#bus-schemas';
import type { ServingDetails } from './answer.ts';

/**
 * Headers with the machine that answered, and with the times before the first content. The
 * provider's own statements in them are not proof.
 */
export function evidenceHeaders({
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
}: ServingDetails): Record<string, string> {
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
    ...(receiptSalt !== undefined && { 'x-receipt-salt': hex(receiptSalt) }),
    ...(chip !== undefined && { 'x-provider-chip': headerText(chip) }),
    ...(engine !== undefined && { 'x-provider-engine': engine }),
    ...(simulated !== undefined && { 'x-provider-simulated': String(simulated) }),
  };
}

/**
 * Replaces characters that a header may not contain. A hostile provider could otherwise insert line
 * breaks, and with them headers of its own.
 */
function headerText(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?');
}
