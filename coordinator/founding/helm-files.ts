import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readIfThere, replace } from '#bus-schemas/saved-file.ts';
import { type FoundedFile, keepOrMake } from './founded-file.ts';
import { hubsOfRelease, namesIn, natsChartValues } from './helm-values.ts';
import { type HubAuthority, prepareHubCertificate } from './hub-certificates.ts';
import { HUB_CA_FILE, type HubTls } from './hub-config.ts';
import { logKeyFiles } from './log-keys.ts';
import { type NetworkPlan, PlanError } from './network-plan.ts';
import { type OperatorHome, RECEIPT_KEYS, trustFiles } from './operator-home.ts';
import { receiptKeyFiles } from './receipt-key-files.ts';

export interface KubernetesFounding {
  readonly home: string;
  readonly keysFolder: string;
  readonly operator: OperatorHome;
  readonly authority: HubAuthority;
  readonly plan: NetworkPlan;
  readonly release: string;
  readonly now: number;
}

/**
 * Writes what a network in Kubernetes needs: values for the chart d-inference, values for the
 * official nats chart alone, and the secrets as a manifest. Each secret has the keys that one group
 * of components needs, and the private key of the hubs' authority and the operator's identity key
 * are in none. The manifest is written again whenever a key or a certificate is new.
 */
export async function foundInKubernetes(founding: KubernetesFounding): Promise<FoundedFile[]> {
  const { home, authority, plan, release, now } = founding;
  refuseOtherHubs(founding);
  const folder = join(home, 'helm');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const certificate = await prepareHubCertificate({
    authority,
    folder: join(folder, 'tls'),
    names: [
      ...new Set(plan.hubs.flatMap(({ host, privateHost }) => [host, privateHost])),
      namesIn(release).hubs,
    ],
    now,
  });
  const secrets = await secretFiles(founding, certificate);
  const nats = natsChartValues(release, founding);
  const values = {
    networkPlan: plan,
    secretFiles: { trust: Object.keys(secrets.trust), receipts: Object.keys(secrets.receipts) },
    nats,
  };
  return [
    { path: certificate.certificateFile, change: certificate.isNew ? 'made' : 'kept' },
    await keepOrMake(join(folder, 'nats-values.yaml'), json(nats)),
    await keepOrMake(join(folder, 'values.yaml'), json(values)),
    await derive(join(folder, 'secrets.yaml'), json(secretList(release, secrets))),
  ];
}

/** The chart gives all hubs of a release one certificate and one load balancer. */
function refuseOtherHubs({ home, plan, release }: KubernetesFounding): void {
  const wanted = hubsOfRelease(release, plan.hubs[0]?.host ?? '');
  const planned = plan.hubs.map(({ host, privateHost }) => `${host}@${privateHost}`);
  if (planned.join() !== wanted.join())
    throw new PlanError(
      `The hubs of the network in ${home} are not the pods of the Helm release ${release} under one name. Give the release and the name with which the network was founded, or another home with DINF_HOME.`,
    );
}

/** JSON is also YAML, and no value can be read as something else. */
const json = (value: object) => `${JSON.stringify(value, undefined, 2)}\n`;

async function derive(path: string, text: string): Promise<FoundedFile> {
  if ((await readIfThere(path)) === text) return { path, change: 'kept' };
  await replace(path, text);
  return { path, change: 'made' };
}

type Files = Readonly<Record<string, string>>;

/** The files of each secret, by their name. */
interface SecretFiles {
  readonly hubTls: Files;
  readonly core: Files;
  readonly trust: Files;
  readonly receipts: Files;
}

async function secretFiles(
  { keysFolder }: KubernetesFounding,
  { certificateFile, keyFile, caFile }: HubTls,
): Promise<SecretFiles> {
  const receipts = join(keysFolder, RECEIPT_KEYS);
  return {
    hubTls: {
      'tls.crt': await readFile(certificateFile, 'utf8'),
      'tls.key': await readFile(keyFile, 'utf8'),
      'ca.crt': await readFile(caFile, 'utf8'),
    },
    core: await filesOf(keysFolder, ['core.creds', HUB_CA_FILE]),
    trust: await filesOf(keysFolder, [...trustFiles, ...(await logKeyFiles(keysFolder))]),
    receipts: await filesOf(receipts, (await receiptKeyFiles(receipts)).toReversed()),
  };
}

const filesOf = async (folder: string, names: readonly string[]): Promise<Files> =>
  Object.fromEntries(
    await Promise.all(
      names.map(async (name) => [name, await readFile(join(folder, name), 'utf8')] as const),
    ),
  );

function secretList(release: string, { hubTls, core, trust, receipts }: SecretFiles) {
  const names = namesIn(release);
  return {
    apiVersion: 'v1',
    kind: 'List',
    items: [
      secret(names.tlsSecret, hubTls),
      secret(names.coreSecret, core),
      secret(names.trustSecret, trust),
      secret(names.receiptsSecret, receipts),
    ],
  };
}

const secret = (name: string, stringData: Files) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name },
  type: 'Opaque',
  stringData,
});
