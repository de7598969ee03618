import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mintProviderUser, Nkey, providerCredentials } from '#bus-schemas';
import {
  cacheFolder,
  type Enrolment,
  findNatsServer,
  type NatsServer,
  startNatsServer,
} from '#provider';

const HOUR_MS = 3_600_000;

/** Starts a hub without accounts and TLS, as a process that can be frozen. */
export async function startPlainHub(home: string): Promise<NatsServer> {
  const { path: binary } = await findNatsServer({ cacheDir: cacheFolder(process.env) });
  return startNatsServer({
    binary,
    home,
    config: ({ host, ports }) => `
      host: ${host}, port: ${ports.client}
      http: ${JSON.stringify(`${host}:${ports.monitor}`)}
      leafnodes { host: ${host}, port: ${ports.leaf} }`,
  });
}

/** Writes credentials for one hour to `home`, and returns an enrolment with them. */
export async function enrolledAt(leafUrls: readonly string[], home: string): Promise<Enrolment> {
  const [account, user] = [Nkey.create('account'), Nkey.create('user')];
  const jwt = await mintProviderUser(account, user.getPublicKey(), Date.now() + HOUR_MS);
  const credentialsFile = join(home, 'leaf.creds');
  await writeFile(credentialsFile, providerCredentials(jwt, user));
  return { provider: account.getPublicKey(), leafUrls: [...leafUrls], credentialsFile };
}
