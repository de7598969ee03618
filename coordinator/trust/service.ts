import {
  codeHash,
  events,
  fromHex,
  keyEntry,
  services,
  successionEntry,
  TrustConnected,
  TrustDisconnected,
} from '#bus-schemas';
import { endpoint } from '#coordinator/bus.ts';
import type { Component } from '#coordinator/component.ts';
import type { Config } from '#coordinator/config.ts';
import { connectToHub } from '#coordinator/connect-bus.ts';
import type { Context } from '#coordinator/context.ts';
import { openLogKeys } from '#coordinator/founding/log-keys.ts';
import { openOperatorHome } from '#coordinator/founding/operator-home.ts';
import { measured } from '#observability';
import packageJson from '../../package.json' with { type: 'json' };
import { AccountResolver } from '../account-resolver.ts';
import { appleVouching } from './apple-attestation/apple-vouching.ts';
import { attestationEndpoints } from './attestation/attestation-endpoints.ts';
import { countStandings } from './attestation/attested-machines.ts';
import { Attestor } from './attestation/attestor.ts';
import { SuspendedOwners } from './attestation/suspended-owners.ts';
import { Overbilling } from './billing/overbilling.ts';
import { watchConnections } from './connection-watch.ts';
import { DeviceAttestations } from './device-management/device-attestations.ts';
import { mdmEndpoints } from './device-management/mdm-endpoints.ts';
import { MicroMdm } from './device-management/micro-mdm.ts';
import { enrolmentEndpoints, reconcileAccounts } from './enrolment.ts';
import { askHubs } from './hub-reports.ts';
import { HubWatch } from './hub-watch.ts';
import { HeadPublisher } from './log/head-publisher.ts';
import { logEndpoints } from './log/log-endpoints.ts';
import { LoggedModels } from './log/logged-models.ts';
import { TransparencyLog } from './log/transparency-log.ts';
import { NetworkClock, realClocks } from './network-clock.ts';
import { publicNameEndpoints } from './public-names/public-name-endpoints.ts';
import { releaseEndpoints } from './releases/release-endpoints.ts';
import { Releases } from './releases/releases.ts';
import { renewalEndpoints } from './renewal/renewal-endpoints.ts';
import { SecondConnections } from './second-connections.ts';

const KEYS_EVERY_MS = 60_000;

/**
 * Decides which machines may connect and which level each has: enrolment, attestation, releases,
 * and the transparency log of these decisions.
 */
export async function startTrust(
  context: Context,
  { mdm: mdmConfig }: Pick<Config, 'mdm'>,
  otherClocks = realClocks,
): Promise<Component> {
  const { bus, database, config, log, metrics } = context;
  const { keys, masterSecret, isRotating } = await openOperatorHome(config.keysFolder);
  const { signer, successions } = await openLogKeys(config.keysFolder);
  await using stack = new AsyncDisposableStack();
  const system = await connectToHub({
    ...config,
    credentialsFile: config.systemCredentials,
    name: 'trust',
    log,
  });
  stack.defer(() => system.close());
  const clock = stack.use(
    new NetworkClock({
      others: otherClocks(system, database),
      log,
      metrics,
      own: context.now,
    }),
  );
  const { now } = clock;
  await clock.check();
  const resolver = new AccountResolver(system, keys);
  const transparency = new TransparencyLog({ database, signer, now });
  for (const succession of successions) await transparency.appendOnce(successionEntry(succession));
  const releases = new Releases({ database, transparency, signer });
  // The operator trusts the code that this coordinator was started from, and machines run the same
  // code.
  await releases.add({ version: packageJson.version, codeHash: codeHash() });
  const { verify, vouched } = appleVouching({
    rootFiles: config.appleRootFiles,
    revoked: config.revokedCertificates,
    now,
  });
  const attestor = stack.use(
    new Attestor({
      bus,
      database,
      transparency,
      vouched,
      demandsBusSignature: config.demandsBusSignature,
      log,
      metrics,
      clock,
    }),
  );
  const overbilling = stack.use(new Overbilling({ bus, database, attestor, log, now }));
  stack.use(new SuspendedOwners({ bus, database, attestor, log }));
  const mdm = mdmConfig && new MicroMdm(mdmConfig);
  const devices = stack.use(
    new DeviceAttestations({
      database,
      mdm,
      verify,
      attestor,
      log,
      metrics,
      now,
      random: Math.random,
    }),
  );

  measured(metrics, 'dinf_trust_machines', async () =>
    (await countStandings(database)).map(({ standing, machines }) => ({
      labels: { standing },
      value: machines,
    })),
  );
  stack.use(new HubWatch({ system, log, metrics }));
  const second = stack.use(new SecondConnections({ log, metrics }));
  const own = new Set([keys.core, keys.ops, keys.system].map((key) => key.getPublicKey()));
  stack.use(
    watchConnections(
      system,
      (account) => account.startsWith('A') && !own.has(account),
      ({ provider, change, id }) => {
        if (change === 'refused') return second.refused(provider);
        const connected = change === 'connected';
        bus.emit(
          connected ? events.trustConnected : events.trustDisconnected,
          connected ? TrustConnected : TrustDisconnected,
          { provider, at: now() },
          `trust:${id}`,
        );
        if (connected) attestor.connected(provider);
      },
    ),
  );

  const reconcile = async (): Promise<void> => {
    try {
      await reconcileAccounts(database, resolver, { isRotating });
    } catch (error) {
      log.warn({ err: error }, 'the accounts of the hub could not be compared with the database');
    }
  };
  await reconcile();
  void (async () => {
    for await (const { type } of system.status()) if (type === 'reconnect') await reconcile();
  })();

  const credentials = {
    masterSecret,
    leafUrls: config.leafUrls,
    leafLifetimeMs: config.leafLifetimeMs,
    now,
  };
  stack.use(
    await bus.serve('trust', [
      ...enrolmentEndpoints({
        bus,
        database,
        resolver,
        transparency,
        ...credentials,
        linksPerDay: config.linksPerDay,
      }),
      ...publicNameEndpoints(database),
      ...renewalEndpoints({ database, log, metrics, ...credentials }),
      ...attestationEndpoints({ database, attestor, overbilling, now }),
      endpoint(services.trust.hubs, async () => ({ hubs: await askHubs(system) })),
      endpoint(services.trust.clocks, () => ({
        problems: clock.problems(),
        clocks: clock.wrongClocks(),
      })),
      ...releaseEndpoints({ releases, attestor }),
      ...logEndpoints(transparency, successions),
      ...mdmEndpoints({ devices, secret: mdmConfig?.webhookSecret }),
    ]),
  );

  /**
   * Logs the keys that sign receipts as well: clients reject a receipt that is signed with any
   * other key.
   */
  const logKeys = async (): Promise<void> => {
    try {
      const { keys: known } = await bus.call(
        services.settlement.receiptKeys,
        {},
        { timeoutMs: 5_000 },
      );
      for (const key of known)
        await transparency.appendOnce(keyEntry({ purpose: 'receipts', publicKey: fromHex(key) }));
    } catch (error) {
      log.info(
        { err: error },
        'the keys of settlement for receipts could not be logged; trust tries again in a minute',
      );
    }
  };
  const keysTimer = setInterval(() => void logKeys(), KEYS_EVERY_MS);
  stack.defer(() => clearInterval(keysTimer));
  void logKeys();

  stack.use(new LoggedModels({ bus, database, transparency, log }));
  stack.use(new HeadPublisher({ bus, transparency, log }));

  const running = stack.move();
  return { name: 'trust', [Symbol.asyncDispose]: () => running.disposeAsync() };
}
