import { readFile } from 'node:fs/promises';
import { demandTls, isSafeHub, MINIMUM_NATS_SERVER } from '#bus-schemas';
import { messageOf } from '#bus-schemas/message-of.ts';
import type { Config } from '#coordinator/config.ts';
import { type CheckResult, certificateFinding, failed, passed, warning } from './finding.ts';
import { probeHub } from './hub-probe.ts';

const SOON_DAYS = 30;

/** Checks that need no credentials: whether each hub answers, with which version and certificate. */
export async function checkHubs(
  { natsUrls, hubCaFile }: Pick<Config, 'natsUrls' | 'hubCaFile'>,
  now: number,
): Promise<CheckResult[]> {
  const needsTls = demandTls(natsUrls);
  const ca = needsTls ? await readFile(hubCaFile, 'utf8').catch(() => undefined) : undefined;
  if (needsTls && ca === undefined)
    return [
      failed(
        'certificate authority',
        `${hubCaFile} cannot be read`,
        'copy hub-ca.pem from the machine on which "dinf network init" ran, or name it with DINF_HUB_CA',
      ),
    ];
  const hubs = (await Promise.all(natsUrls.map((url) => checkHub(url, ca, now)))).flat();
  return natsUrls.length === UNSAFE_CLUSTER ? [...hubs, twoHubs] : hubs;
}

/** JetStream needs more than half of the hubs: of two, both. So streams have one replica. */
const UNSAFE_CLUSTER = 2;
const twoHubs = warning(
  'number of hubs',
  'is two, and each fact is stored on only one of them',
  'add a third with "dinf network init --hub HOST"',
);

async function checkHub(url: string, ca: string | undefined, now: number): Promise<CheckResult[]> {
  const check = `hub ${url}`;
  try {
    const greeting = await probeHub(url, ca);
    const findings = [
      isSafeHub(greeting.version)
        ? passed(check, `answers as ${greeting.serverName}, nats-server ${greeting.version}`)
        : failed(
            check,
            `runs nats-server ${greeting.version}, which lets a machine publish as any other machine`,
            `update it to ${MINIMUM_NATS_SERVER} or later`,
          ),
    ];
    if (!greeting.jetstream)
      findings.push(
        failed(
          `JetStream of ${url}`,
          'is off, so facts about jobs would be lost',
          'use the configuration that "dinf network init" wrote, or add a jetstream block',
        ),
      );
    if (greeting.certificateUntil !== undefined)
      findings.push(
        certificateFinding({
          check: `certificate of ${url}`,
          until: greeting.certificateUntil,
          now,
          soonDays: SOON_DAYS,
          remedy:
            'run "dinf network init" again, copy the folder hubs/NAME/tls to the hub, and send the hub SIGHUP',
        }),
      );
    return findings;
  } catch (error) {
    return [
      failed(
        check,
        `does not answer: ${messageOf(error)}`,
        'start it with "dinf network hub NAME" on its machine, and see that the port is open to this one',
      ),
    ];
  }
}
