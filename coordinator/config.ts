import { join, resolve } from 'node:path';
import {
  FIRST_CELL,
  isLoopback,
  MAX_CELLS,
  type RateLimits,
  TRUST_LEVELS,
  type TrustLevel,
} from '#bus-schemas';
import { CodedError } from '#bus-schemas/coded-error.ts';
import { homeFolder } from '#bus-schemas/running-network.ts';
import { type MetricsAddress, metricsAddress } from '#observability';
import { type OtelSettings, otelSettings } from '#observability/otel/settings.ts';
import { DatabaseUrlError, databaseAddresses } from './database/addresses.ts';
import { HUB_CA_FILE } from './founding/hub-config.ts';

/**
 * All settings of the coordinator, read from environment variables. docs/configuration.md lists
 * them.
 */
export interface Config {
  readonly home: string;
  /** Folder of the network's keys. */
  readonly keysFolder: string;
  /** Addresses of the hubs for components. Those that begin with `tls://` demand TLS. */
  readonly natsUrls: readonly string[];
  /** Certificate of the authority that signs the certificates of the hubs. */
  readonly hubCaFile: string;
  readonly coreCredentials: string;
  readonly systemCredentials: string;
  /** Addresses of the hubs for the leaves of machines. */
  readonly leafUrls: readonly string[];
  /** Copies of each stream on different hubs; undefined means by the size of the cluster. */
  readonly streamReplicas: number | undefined;
  readonly databaseUrl: string;
  readonly http: { readonly host: string; readonly port: number };
  /** The TLS listener of the API; undefined if a proxy terminates TLS, or none is needed. */
  readonly https: HttpsConfig | undefined;
  readonly logLevel: string;
  /** Maximum duration of a job, from its receipt until its end, in milliseconds. */
  readonly jobTimeoutMs: number;
  /**
   * Base of the deadline for a provider's first content, in milliseconds. One millisecond for each
   * prompt token is added.
   */
  readonly firstContentMs: number;
  /** Number of the cell for which the router of this process decides. */
  readonly cell: number;
  readonly queueDepth: number;
  readonly queuePatienceMs: number;
  /** Minimum trust level of machines that serve paid requests; undefined means every machine. */
  readonly minimumTrust: TrustLevel | undefined;
  /** Maximum silence before a provider gets no more work, in milliseconds. */
  readonly beatTimeoutMs: number;
  /**
   * In milliseconds: how long settlement waits for the end that the ingress reports before a
   * receipt settles the job, and after such an end for the provider's receipt before it refunds the
   * job.
   */
  readonly receiptGraceMs: number;
  /** Silence in a stream after which a comment is sent, in milliseconds; 0 = never. */
  readonly heartbeatMs: number;
  /** Share of a charge that the platform keeps, in hundredths of a percent. */
  readonly feeBps: number;
  /** Minimum charge for a job that delivered at least one token, in micro-dollars. */
  readonly minimumChargeMicroUsd: number;
  /**
   * Time from the announcement of a higher price of a provider until it applies, in milliseconds.
   */
  readonly priceNoticeMs: number;
  /** Price of a model without a price of its own, in micro-dollars for a million tokens. */
  readonly defaultPrice: { readonly inputPerMillion: number; readonly outputPerMillion: number };
  /**
   * One answer in this many, chosen at random, is recounted with the tokenizer of its model; 0 =
   * none.
   */
  readonly recountEvery: number;
  /** Maximum delay of the end of an answer by its recount, in milliseconds. */
  readonly recountWaitMs: number;
  /** Interval at which settlement proves that the ledger balances, in milliseconds. */
  readonly verifyEveryMs: number;
  /**
   * Complete months for which charges and receipts stay in the database, besides the current one.
   * `dinf ledger archive` removes only older ones.
   */
  readonly ledgerOnlineMonths: number;
  /** Limits of an account in a minute, over all its keys; a missing field means no limit. */
  readonly accountLimits: RateLimits;
  /**
   * Maximum number of wrong credentials, and of calls that need none, from one address in a minute.
   */
  readonly addressLimit: number;
  /** Maximum number of machines that one account may link in 24 hours. */
  readonly linksPerDay: number;
  /**
   * Whether a machine must sign its evidence with its key on the bus too. Versions before 0.2 do
   * not, so the setting is off until no machine runs such a version.
   */
  readonly demandsBusSignature: boolean;
  /** Lifetime of the credentials of a leaf, in milliseconds. */
  readonly leafLifetimeMs: number;
  /**
   * Time from the moment at which `/readyz` reports 503 until new requests are refused, in
   * milliseconds. A proxy in front has to notice it in this time.
   */
  readonly drainNoticeMs: number;
  /** After that: maximum wait of a stopping ingress for running answers, in milliseconds. */
  readonly drainMs: number;
  /** Time in which a client must send its headers, and its whole request, in milliseconds. */
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** Proxies whose `X-Forwarded-For` header is used: addresses or networks. */
  readonly trustedProxies: readonly string[];
  /** The issuer at which people sign in; undefined turns sign-in off. */
  readonly oidc: OidcConfig | undefined;
  /** Address of the operators' routes; undefined turns these routes off. */
  readonly admin: { readonly host: string; readonly port: number } | undefined;
  /** Address of the figures for Prometheus; undefined if the process offers none. */
  readonly metrics: MetricsAddress | undefined;
  /** The collector for OpenTelemetry; undefined if it is off. */
  readonly otel: OtelSettings | undefined;
  /** URL of the page on which a person enters the code that a machine shows. */
  readonly linkUrl: string | undefined;
  /**
   * PEM files with the root certificates for Apple's attestations; empty means Apple's own root.
   */
  readonly appleRootFiles: readonly string[];
  /** Serial numbers of certificates that are no longer accepted, in lower case. */
  readonly revokedCertificates: readonly string[];
  /** Undefined if no credit can be bought and no earnings can be paid out. */
  readonly stripe: StripeConfig | undefined;
  /** Undefined if trust requests no attestations of devices through MDM. */
  readonly mdm: MdmConfig | undefined;
}

export interface HttpsConfig {
  readonly host: string;
  readonly port: number;
  readonly certificateFile: string;
  readonly keyFile: string;
}

export interface MdmConfig {
  readonly url: string;
  /** The value of MicroMDM's option `-api-key`. */
  readonly apiKey: string;
  /** The secret that each call of MicroMDM's webhook must contain. */
  readonly webhookSecret: string;
}

export interface OidcConfig {
  readonly issuer: string;
  readonly audience: string;
  readonly algorithms: readonly string[];
}

export interface StripeConfig {
  readonly apiKey: string;
  readonly webhookSecret: string;
  /** Address of Stripe, for tests; undefined means Stripe's real address. */
  readonly url: string | undefined;
}

/** JetStream stores at most this many copies of a stream. */
const MAX_REPLICAS = 5;

export class ConfigError extends CodedError<'invalid_config'> {
  override readonly fault = 'user';

  constructor(message: string, options?: ErrorOptions) {
    super('invalid_config', message, options);
  }
}

export function readConfig(env: NodeJS.ProcessEnv): Config {
  const home = homeFolder(env);
  const keysFolder = resolve(env['DINF_KEYS'] || join(home, 'keys'));
  const publicUrl = publicUrlOf(env);
  return {
    home,
    keysFolder,
    natsUrls: list(env['DINF_NATS_URL'] ?? 'nats://127.0.0.1:4222'),
    hubCaFile: env['DINF_HUB_CA'] || join(keysFolder, HUB_CA_FILE),
    coreCredentials: env['DINF_CORE_CREDS'] ?? join(keysFolder, 'core.creds'),
    systemCredentials: env['DINF_SYS_CREDS'] ?? join(keysFolder, 'sys.creds'),
    leafUrls: list(env['DINF_LEAF_URL'] ?? 'nats-leaf://127.0.0.1:7422'),
    streamReplicas: env['DINF_STREAM_REPLICAS']
      ? integer(env, 'DINF_STREAM_REPLICAS', 1, 1, MAX_REPLICAS)
      : undefined,
    databaseUrl: databaseUrl(env['DATABASE_URL'] ?? ''),
    http: {
      host: loopbackOrInsecure(env, 'DINF_HTTP_HOST'),
      port: integer(env, 'DINF_HTTP_PORT', 8080, 0, 65_535),
    },
    https: httpsConfig(env),
    logLevel: env['DINF_LOG'] ?? 'info',
    jobTimeoutMs: integer(env, 'DINF_JOB_TIMEOUT_MS', 600_000, 1_000, 3_600_000),
    firstContentMs: integer(env, 'DINF_FIRST_CONTENT_MS', 9_000, 100, 600_000),
    cell: integer(env, 'DINF_CELL', FIRST_CELL, 0, MAX_CELLS - 1),
    queueDepth: integer(env, 'DINF_QUEUE_DEPTH', 128, 0, 100_000),
    queuePatienceMs: integer(env, 'DINF_QUEUE_PATIENCE_MS', 30_000, 0, 600_000),
    minimumTrust: minimumTrust(env),
    beatTimeoutMs: integer(env, 'DINF_BEAT_TIMEOUT_MS', 15_000, 500, 600_000),
    receiptGraceMs: integer(env, 'DINF_RECEIPT_GRACE_MS', 30_000, 100, 600_000),
    heartbeatMs: integer(env, 'DINF_HEARTBEAT_MS', 15_000, 0, 600_000),
    feeBps: integer(env, 'DINF_FEE_BPS', 500, 0, 10_000),
    priceNoticeMs: integer(env, 'DINF_PRICE_NOTICE_MS', 600_000, 0, 30 * 86_400_000),
    minimumChargeMicroUsd: integer(env, 'DINF_MINIMUM_CHARGE_MICRO_USD', 0, 0, 1_000_000),
    defaultPrice: {
      inputPerMillion: integer(env, 'DINF_DEFAULT_INPUT_PRICE', 50_000, 0, Number.MAX_SAFE_INTEGER),
      outputPerMillion: integer(
        env,
        'DINF_DEFAULT_OUTPUT_PRICE',
        200_000,
        0,
        Number.MAX_SAFE_INTEGER,
      ),
    },
    recountEvery: integer(env, 'DINF_RECOUNT_EVERY', 20, 0, 1_000_000),
    recountWaitMs: integer(env, 'DINF_RECOUNT_WAIT_MS', 250, 1, 60_000),
    verifyEveryMs: integer(env, 'DINF_VERIFY_EVERY_MS', 300_000, 1_000, 86_400_000),
    ledgerOnlineMonths: integer(env, 'DINF_LEDGER_ONLINE_MONTHS', 13, 1, 1_200),
    accountLimits: accountLimits(env),
    demandsBusSignature: isOn(env, 'DINF_DEMAND_BUS_SIGNATURE'),
    leafLifetimeMs: integer(env, 'DINF_LEAF_LIFETIME_HOURS', 720, 1, 87_600) * 3_600_000,
    linksPerDay: integer(env, 'DINF_LINKS_PER_DAY', 10, 1, 1_000_000),
    addressLimit: integer(env, 'DINF_ADDRESS_LIMIT', 60, 1, 1_000_000),
    drainNoticeMs: integer(env, 'DINF_DRAIN_NOTICE_MS', 5_000, 0, 600_000),
    drainMs: integer(env, 'DINF_DRAIN_MS', 30_000, 0, 3_600_000),
    headersTimeoutMs: integer(env, 'DINF_HEADERS_TIMEOUT_MS', 10_000, 100, 600_000),
    requestTimeoutMs: integer(env, 'DINF_REQUEST_TIMEOUT_MS', 120_000, 100, 3_600_000),
    trustedProxies: list(env['DINF_TRUSTED_PROXIES'] ?? ''),
    oidc: oidcConfig(env),
    admin: env['DINF_ADMIN_PORT']
      ? {
          host: loopbackOrInsecure(env, 'DINF_ADMIN_HOST'),
          port: integer(env, 'DINF_ADMIN_PORT', 0, 0, 65_535),
        }
      : undefined,
    metrics: orConfigError(() => metricsAddress(env)),
    otel: orConfigError(() => otelSettings(env)),
    linkUrl: env['DINF_LINK_URL'] || (publicUrl && new URL('/link', publicUrl).href),
    appleRootFiles: list(env['DINF_APPLE_ROOTS'] ?? ''),
    revokedCertificates: list(env['DINF_REVOKED_CERTIFICATES'] ?? '').map((serial) =>
      serial.toLowerCase(),
    ),
    stripe: stripeConfig(env),
    mdm: mdmConfig(env),
  };
}

/** Reports a wrong URL at the start, and not with the first request. */
function databaseUrl(url: string): string {
  try {
    databaseAddresses(url);
    return url;
  } catch (error) {
    throw error instanceof DatabaseUrlError ? new ConfigError(error.message) : error;
  }
}

function minimumTrust(env: NodeJS.ProcessEnv): TrustLevel | undefined {
  const text = env['DINF_MIN_TRUST'] || 'none';
  const level = TRUST_LEVELS.find((known) => known === text);
  if (level === undefined)
    throw new ConfigError(`DINF_MIN_TRUST must be one of ${TRUST_LEVELS.join(', ')}`);
  return level === 'none' ? undefined : level;
}

function isOn(env: NodeJS.ProcessEnv, name: string): boolean {
  const text = env[name] || '0';
  if (text !== '0' && text !== '1') throw new ConfigError(`${name} must be 0 or 1`);
  return text === '1';
}

/** The limit 0 means no limit. */
function accountLimits(env: NodeJS.ProcessEnv): RateLimits {
  const requests = integer(env, 'DINF_ACCOUNT_RPM', 1_200, 0, 1_000_000_000);
  const inputTokens = integer(env, 'DINF_ACCOUNT_ITPM', 5_000_000, 0, Number.MAX_SAFE_INTEGER);
  const outputTokens = integer(env, 'DINF_ACCOUNT_OTPM', 500_000, 0, Number.MAX_SAFE_INTEGER);
  return {
    ...(requests > 0 && { requests }),
    ...(inputTokens > 0 && { inputTokens }),
    ...(outputTokens > 0 && { outputTokens }),
  };
}

/**
 * The address of a listener without TLS. Prompts and API keys would be readable on the network, so
 * an address that other machines can reach needs `DINF_INSECURE=1`. That is for listeners behind a
 * proxy that terminates TLS, for example in a container.
 */
function loopbackOrInsecure(env: NodeJS.ProcessEnv, name: string): string {
  const host = env[name] || '127.0.0.1';
  if (isLoopback(host) || env['DINF_INSECURE'] === '1') return host;
  throw new ConfigError(
    `${name}=${host} would accept connections of other machines without TLS. Give a certificate (DINF_TLS_CERT and DINF_TLS_KEY), or set DINF_INSECURE=1 if a proxy in front terminates TLS.`,
  );
}

function orConfigError<Value>(read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    throw error instanceof RangeError ? new ConfigError(error.message) : error;
  }
}

function publicUrlOf(env: NodeJS.ProcessEnv): string | undefined {
  const url = env['DINF_PUBLIC_URL'] ?? '';
  if (url === '') return undefined;
  if (!/^https?:\/\//.test(url) || !URL.canParse(url))
    throw new ConfigError('DINF_PUBLIC_URL must be an address that begins with https://');
  return url;
}

function httpsConfig(env: NodeJS.ProcessEnv): HttpsConfig | undefined {
  const certificateFile = env['DINF_TLS_CERT'] ?? '';
  const keyFile = env['DINF_TLS_KEY'] ?? '';
  if (certificateFile === '' && keyFile === '') return undefined;
  if (certificateFile === '' || keyFile === '')
    throw new ConfigError('DINF_TLS_CERT and DINF_TLS_KEY belong together');
  return {
    host: env['DINF_HTTPS_HOST'] || '0.0.0.0',
    port: integer(env, 'DINF_HTTPS_PORT', 443, 0, 65_535),
    certificateFile: resolve(certificateFile),
    keyFile: resolve(keyFile),
  };
}

const SIGNATURES = ['ES256', 'ES384', 'ES512', 'PS256', 'RS256', 'EdDSA'];

function oidcConfig(env: NodeJS.ProcessEnv): OidcConfig | undefined {
  const issuer = env['DINF_OIDC_ISSUER'] ?? '';
  if (issuer === '') return undefined;
  const algorithms = list(env['DINF_OIDC_ALGORITHMS'] ?? 'ES256');
  const wrong = algorithms.find((algorithm) => !SIGNATURES.includes(algorithm));
  if (wrong !== undefined)
    throw new ConfigError(`DINF_OIDC_ALGORITHMS: ${wrong} is not one of ${SIGNATURES.join(', ')}`);
  return { issuer, audience: env['DINF_OIDC_AUDIENCE'] ?? 'd-inference', algorithms };
}

function stripeConfig(env: NodeJS.ProcessEnv): StripeConfig | undefined {
  const apiKey = env['DINF_STRIPE_KEY'] ?? '';
  const webhookSecret = env['DINF_STRIPE_WEBHOOK_SECRET'] ?? '';
  if (apiKey === '' && webhookSecret === '') return undefined;
  if (apiKey === '' || webhookSecret === '')
    throw new ConfigError('DINF_STRIPE_KEY and DINF_STRIPE_WEBHOOK_SECRET must be set together');
  return { apiKey, webhookSecret, url: env['DINF_STRIPE_URL'] };
}

const MIN_SECRET = 16;

function mdmConfig(env: NodeJS.ProcessEnv): MdmConfig | undefined {
  const [url = '', apiKey = '', webhookSecret = ''] = [
    env['DINF_MDM_URL'],
    env['DINF_MDM_KEY'],
    env['DINF_MDM_WEBHOOK_SECRET'],
  ];
  if (url === '' && apiKey === '' && webhookSecret === '') return undefined;
  if (url === '' || apiKey === '')
    throw new ConfigError(
      'DINF_MDM_URL, DINF_MDM_KEY and DINF_MDM_WEBHOOK_SECRET must be set together',
    );
  if (webhookSecret.length < MIN_SECRET)
    throw new ConfigError(`DINF_MDM_WEBHOOK_SECRET must have at least ${MIN_SECRET} characters`);
  if (!/^https?:\/\//.test(url) || !URL.canParse(url))
    throw new ConfigError('DINF_MDM_URL must be a URL that begins with https:// or http://');
  return { url, apiKey, webhookSecret };
}

function list(value: string): string[] {
  return value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

function integer(
  env: NodeJS.ProcessEnv,
  name: string,
  fallback: number,
  minimum: number,
  maximum: number,
): number {
  const text = env[name];
  if (text === undefined || text === '') return fallback;
  const value = Number(text);
  if (!Number.isInteger(value) || value < minimum || value > maximum) {
    throw new ConfigError(`${name} must be a whole number from ${minimum} to ${maximum}`);
  }
  return value;
}
