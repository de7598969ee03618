import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@nats-io/transport-node';
import type { Pool } from 'pg';
import { type Logger, pino } from 'pino';
import { Registry } from 'prom-client';
import {
  type CatalogModel,
  mintCredentials,
  Nkey,
  newP256Key,
  p256Signer,
  type Receipt,
  services,
  signTogether,
  workText,
} from '#bus-schemas';
import { setting } from '#bus-schemas/settings/settings.ts';
import { Bus, endpoint } from '#coordinator/bus.ts';
import type { Component } from '#coordinator/component.ts';
import { readConfig, type StripeConfig } from '#coordinator/config.ts';
import { connectDatabase } from '#coordinator/database.ts';
import { DeliveryProofs } from '#coordinator/delivery-proofs.ts';
import { ensureStreams } from '#coordinator/streams.ts';
import type { NatsNode, PostgresNode } from '#network';
import { startTestDatabase, startTestHub } from '#testcontainers';
import { startSettlement } from './service.ts';

export const PROVIDER = `A${'P'.repeat(55)}`;
export const OTHER_PROVIDER = `A${'Q'.repeat(55)}`;
/** The machine of the account OWNER. */
export const OWNED_PROVIDER = `A${'R'.repeat(55)}`;
/** The signing key that trust has verified for every machine in these tests. */
const signer = p256Signer(newP256Key());
export const RECEIPT_KEY = signer.publicKey;
export const signed = (receipt: Receipt): Receipt => ({
  ...receipt,
  signature: signer.sign(workText(receipt)),
  signingKey: signer.publicKey,
});
/** One signature for all of them. */
export const signedTogether = (receipts: readonly Receipt[]): Receipt[] =>
  signTogether(
    receipts.map((receipt) => ({ ...receipt, version: 2 as const })),
    signer,
  );
export const OWNER = 'acct_owner';
export const KEY = 'key_test';
/** One micro-dollar per prompt token and two per completion token. */
export const MODEL: CatalogModel = {
  id: 'sim-model',
  displayName: 'A model',
  contextTokens: 8_192,
  maxOutputTokens: 4_096,
  builds: ['sim-build'],
  inputMicroUsdPerMillion: 1_000_000,
  cacheReadMicroUsdPerMillion: 500_000,
  outputMicroUsdPerMillion: 2_000_000,
  createdAt: 0,
};

export interface Settlement extends AsyncDisposable {
  readonly bus: Bus;
  readonly database: Pool;
  /** The user of this URL owns the tables. */
  readonly databaseUrl: string;
  readonly hub: NatsNode;
  readonly postgres: PostgresNode;
  /** The signing key that trust returns for every machine. */
  readonly trustedKey: { signingKey: Uint8Array };
  /** The accounts that own machines. */
  readonly owners: Map<string, string>;
  /** The operator's folder. */
  readonly home: string;
  /** Makes proofs of delivered tokens, as an ingress of this network does. */
  readonly proofs: DeliveryProofs;
  /** Stops settlement and starts another one on the same ledger. */
  restart(): Promise<void>;
}

export interface SettlementSettings {
  readonly receiptGraceMs?: number;
  readonly poolSize?: number;
  /** No minimum in most tests: a charge is then exactly the cost of the tokens. */
  readonly minimumChargeMicroUsd?: number;
  /** No notice in most tests: a higher price then takes effect at once. */
  readonly priceNoticeMs?: number;
  readonly stripe?: StripeConfig;
}

/**
 * Starts a hub, a database, a catalog of one model, and settlement; no other part of the
 * coordinator.
 */
export async function startSettlementUnderTest({
  receiptGraceMs = 300_000,
  poolSize = 8,
  minimumChargeMicroUsd = 0,
  priceNoticeMs = 0,
  stripe,
}: SettlementSettings = {}): Promise<Settlement> {
  await using stack = new AsyncDisposableStack();
  const home = await mkdtemp(join(tmpdir(), 'dinf-settlement-'));
  stack.defer(() => rm(home, { recursive: true, force: true }));
  const [hub, postgres] = await Promise.all([startTestHub(), startTestDatabase()]);
  stack.use(hub);
  stack.use(postgres);
  const { databaseUrl } = postgres;
  const connection = await connect({
    servers: hub.clientUrl,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 50,
  });
  stack.defer(() => connection.close());
  const bus = new Bus(connection);
  await ensureStreams(bus);
  stack.use(
    await bus.serve('catalog', [
      endpoint(services.catalog.snapshot, () => ({ revision: 1, models: [MODEL] })),
    ]),
  );
  const trustedKey = { signingKey: RECEIPT_KEY };
  const owners = new Map([[OWNED_PROVIDER, OWNER]]);
  stack.use(
    await bus.serve('trust', [
      endpoint(services.trust.owner, ({ provider }) => {
        const account = owners.get(provider);
        return account === undefined ? {} : { account };
      }),
      endpoint(services.trust.signingKey, () => trustedKey),
    ]),
  );

  const database = connectDatabase(databaseUrl, { max: poolSize });
  // As in the coordinator, a database that crashes or closes its connections must not end the
  // process.
  database.on('error', () => undefined);
  stack.defer(() => database.end());
  const coreCredentials = join(home, 'core.creds');
  await writeFile(coreCredentials, await mintCredentials('core', Nkey.create('account'), 'all'));
  const config = {
    ...readConfig({ DINF_HOME: home }),
    coreCredentials,
    databaseUrl,
    receiptGraceMs,
    minimumChargeMicroUsd,
    priceNoticeMs,
  };
  const log: Logger = pino({ level: setting('DINF_LOG') ?? 'silent' });
  const start = (): Promise<Component> =>
    startSettlement(
      { bus, database, config, log, metrics: new Registry(), now: Date.now },
      { stripe },
    );
  let component = await start();
  stack.defer(() => component[Symbol.asyncDispose]());
  const owned = stack.move();
  return {
    bus,
    database,
    databaseUrl,
    hub,
    postgres,
    home,
    trustedKey,
    owners,
    proofs: await DeliveryProofs.open(coreCredentials),
    restart: async () => {
      await component[Symbol.asyncDispose]();
      component = await start();
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
