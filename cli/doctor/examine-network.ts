import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import { coordinatorUrl } from '#bus-schemas/running-network.ts';
import { findingsOf } from '#provider/doctor/check.ts';
import { printedFindings } from '#provider/doctor/doctor.ts';
import { apiKeyFor } from '../customer/api-key.ts';
import { collectNetworkFacts } from './network-facts.ts';
import { outsideChecks } from './outside-checks.ts';

/** Prints the findings of `dinf doctor --network`. Fails if one of them is a fault. */
export async function examineNetwork({
  coordinator = coordinatorUrl(process.env),
  json = false,
}: {
  coordinator?: string;
  json?: boolean;
}): Promise<void> {
  const apiKey = await apiKeyFor(coordinator).catch(() => undefined);
  const findings = findingsOf(outsideChecks, await collectNetworkFacts(coordinator, apiKey));
  console.log(json ? JSON.stringify(findings) : printedFindings(findings));
  const faults = findings.filter(({ state }) => state === 'fault').map(({ name }) => name);
  if (faults.length > 0)
    throw new CommandError(EXIT.unavailable, `This network has faults: ${faults.join(', ')}.`);
}
