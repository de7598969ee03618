import { mkdir } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { isLoopback } from '#bus-schemas';
import { readIfThere, replace } from '#bus-schemas/saved-file.ts';
import { type FoundedFile, keepOrMake } from './founded-file.ts';
import { foundInKubernetes } from './helm-files.ts';
import { type HubAuthority, prepareAuthority, prepareHubCertificate } from './hub-certificates.ts';
import { type HubTls, hubConfig } from './hub-config.ts';
import { type HubPlan, type NetworkPlan, PLAN_FILE, readPlan, routeUrlOf } from './network-plan.ts';
import { type OperatorHome, openOperatorHome, prepareOperatorHome } from './operator-home.ts';

export interface FoundingOptions {
  readonly home: string;
  /** Folder of the keys: `keys` in the home, or a folder on a protected device. */
  readonly keysFolder: string;
  readonly plan: NetworkPlan;
  /** Name of the Helm release whose pods are the hubs; undefined if hubs run on machines. */
  readonly release?: string | undefined;
  readonly now: number;
}

/**
 * Makes everything that a network needs before its first part starts: keys, the certificate
 * authority of the hubs, and for each hub a folder with configuration and certificate. It can be
 * repeated, and after a crash it continues: existing keys and configurations are never overwritten,
 * only certificates that expire soon. Each folder in `hubs/` can be copied to the machine of its
 * hub, where `nats-server -c nats-server.conf` runs in it.
 */
export async function foundNetwork({
  home,
  keysFolder,
  plan,
  release,
  now,
}: FoundingOptions): Promise<FoundedFile[]> {
  await mkdir(home, { recursive: true, mode: 0o700 });
  // In a complete network a missing key is an error: the hubs would not accept a new one.
  if (readPlan(home) !== undefined) await openOperatorHome(keysFolder);
  const operator = await prepareOperatorHome(keysFolder);
  const authority = await prepareAuthority(keysFolder, now);
  const files: FoundedFile[] = [];
  if (release !== undefined)
    files.push(
      ...(await foundInKubernetes({ home, keysFolder, operator, authority, plan, release, now })),
    );
  else
    for (const hub of plan.hubs)
      files.push(...(await prepareHub({ home, operator, authority, plan, hub, now })));
  const planFile = join(home, PLAN_FILE);
  const planText = `${JSON.stringify(plan, null, 2)}\n`;
  const isKnown = (await readIfThere(planFile)) === planText;
  // Written last: commands take the plan as the sign that the network is complete.
  if (!isKnown) await replace(planFile, planText);
  return [...files, { path: planFile, change: isKnown ? 'kept' : 'made' }];
}

/** Names in the folder of a hub, relative to the folder, because it is copied to other machines. */
const TLS_FOLDER = 'tls';
const CONFIG_FILE = 'nats-server.conf';

export const hubFolder = (home: string, { name }: Pick<HubPlan, 'name'>): string =>
  join(home, 'hubs', name);

async function prepareHub({
  home,
  operator,
  authority,
  plan,
  hub,
  now,
}: {
  home: string;
  operator: OperatorHome;
  authority: HubAuthority;
  plan: NetworkPlan;
  hub: HubPlan;
  now: number;
}): Promise<FoundedFile[]> {
  const folder = hubFolder(home, hub);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const certificate = await prepareHubCertificate({
    authority,
    folder: join(folder, TLS_FOLDER),
    names: [hub.host, hub.privateHost],
    now,
  });
  const tls: HubTls = {
    certificateFile: `${TLS_FOLDER}/hub.pem`,
    keyFile: `${TLS_FOLDER}/hub.key`,
    caFile: `${TLS_FOLDER}/hub-ca.pem`,
  };
  const others = plan.hubs.filter(({ name }) => name !== hub.name);
  const text = hubConfig(
    {
      host: listenAddress(hub.privateHost),
      leafHost: '0.0.0.0',
      home: 'data',
      ports: hub.ports,
    },
    {
      operator,
      tls,
      ...(others.length > 0 && {
        cluster: {
          server: hub.name,
          port: hub.ports.cluster,
          routes: others.map(routeUrlOf),
        },
      }),
    },
  );
  return [
    { path: certificate.certificateFile, change: certificate.isNew ? 'made' : 'kept' },
    await keepOrMake(join(folder, CONFIG_FILE), text),
  ];
}

/** A host name may stand for an address that the machine of the hub does not have itself (NAT). */
function listenAddress(host: string): string {
  if (isIP(host) !== 0) return host;
  return isLoopback(host) ? '127.0.0.1' : '0.0.0.0';
}
