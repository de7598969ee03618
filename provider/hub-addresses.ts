import { join } from 'node:path';
import { demandTls } from '#bus-schemas';
import { readIfThere, replace } from '#bus-schemas/saved-file.ts';
import { isSet, setting } from '#bus-schemas/settings/settings.ts';
import { CoordinatorError, callCoordinator } from './coordinator-call.ts';
import { EnrolError, type Enrolment } from './identity.ts';

interface HubsAnswer {
  readonly leaf_urls: readonly string[];
  readonly hub_ca: string | null;
}

const NOT_FOUND = 404;

/**
 * Returns the enrolment with the present addresses of the hubs, as the coordinator states them over
 * HTTPS, and with the certificate of the only authority that the leaf may trust for them. If the
 * coordinator does not answer, the addresses of the last start are used. An attacker who can answer
 * in the name of the hub without its certificate would receive the machine's messages, so addresses
 * without TLS are not accepted from a network that had TLS.
 */
export async function withCurrentHubs(
  home: string,
  enrolment: Enrolment,
  coordinatorUrl: string,
): Promise<Enrolment> {
  const answer = await askForHubs(enrolment.coordinatorUrl ?? coordinatorUrl);
  if (answer === undefined || answer.leaf_urls.length === 0) return enrolment;
  const { leaf_urls: named, hub_ca: ca } = answer;
  // A machine inside the network may reach the hubs at other addresses than machines outside.
  const leafUrls = isSet('DINF_LEAF_URL') ? setting('DINF_LEAF_URL') : named;
  const needsTls = demandTls(leafUrls);
  if (!needsTls && enrolment.hubCaFile !== undefined)
    throw new EnrolError(
      'refused',
      'The coordinator names hubs without TLS, although this network had TLS before. The machine does not connect; ask the operator.',
    );
  if (needsTls && ca === null)
    throw new EnrolError(
      'refused',
      'The coordinator names hubs with TLS, but not the certificate of their authority; ask the operator.',
    );
  const hubCaFile = needsTls ? join(home, 'hub-ca.pem') : undefined;
  if (hubCaFile !== undefined && ca !== null && (await readIfThere(hubCaFile)) !== ca)
    await replace(hubCaFile, ca);
  return { ...enrolment, leafUrls, ...(hubCaFile && { hubCaFile }) };
}

async function askForHubs(coordinatorUrl: string): Promise<HubsAnswer | undefined> {
  try {
    return await callCoordinator<HubsAnswer>(coordinatorUrl, '/v1/providers/hubs');
  } catch (error) {
    const isAway = error instanceof CoordinatorError && (error.status ?? 500) >= 500;
    // Coordinators before version 0.2 do not have the route.
    if (isAway || (error instanceof CoordinatorError && error.status === NOT_FOUND))
      return undefined;
    throw error;
  }
}
