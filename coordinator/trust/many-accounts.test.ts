import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { connectToServer, Nkey, providerCredentials } from '#bus-schemas';
import { hubConnection } from '#coordinator/connect-bus.ts';
import { openOperatorHome } from '#coordinator/founding/operator-home.ts';
import { RawLeaf } from '#testcontainers';
import { AccountResolver } from '../account-resolver.ts';
import { enrolMachine, startTrustUnderTest } from './trust-under-test.ts';

/** More than the 1,000 that nats-server stores by default before it refuses further accounts. */
const ACCOUNTS = 1_200;
const AT_ONCE = 20;

test('a hub stores the accounts of 1,200 machines, and the next machine enrols and connects', async () => {
  await using trust = await startTrustUnderTest();
  const keys = join(trust.home, 'keys');
  const address = { natsUrls: [trust.hub.clientUrl], hubCaFile: '' };
  const system = await connectToServer(await hubConnection(address, join(keys, 'sys.creds')));
  const resolver = new AccountResolver(system, (await openOperatorHome(keys)).keys);
  const providers = Array.from({ length: ACCOUNTS }, () => Nkey.create('account').getPublicKey());
  for (let from = 0; from < ACCOUNTS; from += AT_ONCE)
    await Promise.all(
      providers.slice(from, from + AT_ONCE).map((provider) => resolver.admit(provider)),
    );
  const known = await resolver.known();
  expect(providers.filter((provider) => !known.has(provider))).toEqual([]);
  await system.close();

  const { provider, key, userJwt } = await enrolMachine(trust);
  const credentialsFile = join(trust.home, 'next.creds');
  await writeFile(credentialsFile, providerCredentials(userJwt, key));
  const arrived = trust.bus.connection.subscribe(`up.${provider}.hello`, { max: 1 });
  using leaf = await RawLeaf.connect({ url: trust.hub.leafUrl, credentialsFile });
  leaf.publish('up.hello', 'the next machine');
  await leaf.flush();
  for await (const message of arrived) expect(message.string()).toBe('the next machine');
});
