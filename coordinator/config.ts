import { join, resolve } from 'node:path';
import { isLoopback, type RateLimits, type TrustLevel } from '#bus-schemas';
import { PROGRAM } from '#bus-schemas/program-folders.mjs';
import { homeFolder } from '#bus-schemas/running-network.ts';
import {
  ConfigError,
  type Environment,
  isSet,
  type SettingName,
  type SettingValue,
  setting,
} from '#bus-schemas/settings/settings.ts';
import { type MetricsAddress, metricsAddress } from '#observability';
import { type OtelSettings, otelSettings } from '#observability/otel/settings.ts';
import { databaseAddresses } from './database/addresses.ts';
import { HUB_CA_FILE } from './founding/hub-config.ts';
import { CAN_SHARE_PORTS, type WorkerPlace } from './worker-place.ts';

/**
 * Fields of the configuration that are the value of one setting. The schemas of the settings in
 * bus-schemas/settings/ have their meaning, unit and default.
 */
const PLAIN_FIELDS = {
  natsUrls: 'DINF_NATS_URL',
  leafUrls: 'DINF_LEAF_URL',
  streamReplicas: 'DINF_STREAM_REPLICAS',
  jobTimeoutMs: 'DINF_JOB_TIMEOUT_MS',
  firstContentMs: 'DINF_FIRST_CONTENT_MS',
  directCalls: 'DINF_DIRECT_CALLS',
  cell: 'DINF_CELL',
  queueDepth: 'DINF_QUEUE_DEPTH',
  queuePatienceMs: 'DINF_QUEUE_PATIENCE_MS',
  minStreamTps: 'DINF_MIN_STREAM_TPS',
  beatTimeoutMs: 'DINF_BEAT_TIMEOUT_MS',
  receiptGraceMs: 'DINF_RECEIPT_GRACE_MS',
  imageHosts: 'DINF_IMAGE_HOSTS',
  redirectHosts: 'DINF_REDIRECT_HOSTS',
  imageMaxBytes: 'DINF_IMAGE_MAX_BYTES',
  heartbeatMs: 'DINF_HEARTBEAT_MS',
  feeBps: 'DINF_FEE_BPS',
  minimumChargeMicroUsd: 'DINF_MINIMUM_CHARGE_MICRO_USD',
  batchDiscountPercent: 'DINF_BATCH_DISCOUNT_PERCENT',
  priceNoticeMs: 'DINF_PRICE_NOTICE_MS',
  recountEvery: 'DINF_RECOUNT_EVERY',
  recountWaitMs: 'DINF_RECOUNT_WAIT_MS',
  verifyEveryMs: 'DINF_VERIFY_EVERY_MS',
  ledgerOnlineMonths: 'DINF_LEDGER_ONLINE_MONTHS',
  addressLimit: 'DINF_ADDRESS_LIMIT',
  linksPerDay: 'DINF_LINKS_PER_DAY',
  demandsBusSignature: 'DINF_DEMAND_BUS_SIGNATURE',
  admissionMs: 'DINF_ADMISSION_MS',
  drainNoticeMs: 'DINF_DRAIN_NOTICE_MS',
  drainMs: 'DINF_DRAIN_MS',
  headersTimeoutMs: 'DINF_HEADERS_TIMEOUT_MS',
  requestTimeoutMs: 'DINF_REQUEST_TIMEOUT_MS',
  trustedProxies: 'DINF_TRUSTED_PROXIES',
  appleRootFiles: 'DINF_APPLE_ROOTS',
  publicUrl: 'DINF_PUBLIC_URL',
  installPackage: 'DINF_INSTALL_PACKAGE',
  installPackageBeta: 'DINF_INSTALL_PACKAGE_BETA',
} as const satisfies Record<string, SettingName>;

type PlainFields = {
  readonly [Field in keyof typeof PLAIN_FIELDS]: SettingValue<(typeof PLAIN_FIELDS)[Field]>;
};

/**
 * The configuration that every component receives. It has no secret, so that a component cannot log
 * or send one that it does not use.
 */
export interface ComponentConfig extends PlainFields {
  readonly home: string;
  /** Folder of the network's keys. */
  readonly keysFolder: string;
  /** Certificate of the authority that signs the certificates of the hubs. */
  readonly hubCaFile: string;
  readonly coreCredentials: string;
  readonly systemCredentials: string;
  readonly http: { readonly host: string; readonly port: number };
  /** Whether other ingresses of this machine listen on the same ports of the API. */
  readonly sharesPorts: boolean;
  /** Undefined if no other process that this program started shares the ports. */
  readonly worker: WorkerPlace | undefined;
  /** The TLS listener of the API; undefined if a proxy terminates TLS, or none is needed. */
  readonly https: HttpsConfig | undefined;
  readonly logLevel: string;
  /** Minimum trust level of machines that serve paid requests; undefined means every machine. */
  readonly minimumTrust: TrustLevel | undefined;
  /** Price of a model without a price of its own, in micro-dollars for a million tokens. */
  readonly defaultPrice: { readonly inputPerMillion: number; readonly outputPerMillion: number };
  /** Limits of an account in a minute, over all its keys; a missing field means no limit. */
  readonly accountLimits: RateLimits;
  /** Lifetime of the credentials of a leaf, in milliseconds. */
  readonly leafLifetimeMs: number;
  /** The issuer at which people sign in; undefined turns sign-in off. */
  readonly oidc: OidcConfig | undefined;
  /** Address of the operators' routes; undefined turns these routes off. */
  readonly admin: { readonly host: string; readonly port: number } | undefined;
  /** URL of the page on which a person enters the code that a machine shows. */
  readonly linkUrl: string | undefined;
  /** Folder with the built files of the console. */
  readonly consoleFolder: string;
  /** Serial numbers of certificates that are no longer accepted, in lower case. */
  readonly revokedCertificates: readonly string[];
}

/** All settings of the coordinator. docs/configuration.md lists the environment variables. */
export interface Config extends ComponentConfig {
  /** Empty if no database is set. */
  readonly databaseUrl: string;
  /** Address of the figures for Prometheus; undefined if the process offers none. */
  readonly metrics: MetricsAddress | undefined;
  /** The collector for OpenTelemetry; undefined if it is off. */
  readonly otel: OtelSettings | undefined;
  /** Undefined if no credit can be bought and no earnings can be paid out. */
  readonly stripe: StripeConfig | undefined;
  /** Secret of this network's client at the sign-in issuer; undefined for a public client. */
  readonly oidcClientSecret: string | undefined;
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

const HOUR_MS = 3_600_000;

export function readConfig(env: Environment): Config {
  const home = homeFolder(env);
  const keysFolder = resolve(setting('DINF_KEYS', env) ?? join(home, 'keys'));
  const publicUrl = setting('DINF_PUBLIC_URL', env);
  const minimumTrust = setting('DINF_MIN_TRUST', env);
  const adminPort = setting('DINF_ADMIN_PORT', env);
  return {
    ...plainFields(env),
    home,
    keysFolder,
    hubCaFile: setting('DINF_HUB_CA', env) ?? join(keysFolder, HUB_CA_FILE),
    coreCredentials: setting('DINF_CORE_CREDS', env) ?? join(keysFolder, 'core.creds'),
    systemCredentials: setting('DINF_SYS_CREDS', env) ?? join(keysFolder, 'sys.creds'),
    databaseUrl: databaseUrl(env),
    sharesPorts: sharedPorts(env),
    http: {
      host: loopbackOrInsecure(env, 'DINF_HTTP_HOST'),
      port: setting('DINF_HTTP_PORT', env),
    },
    worker: undefined,
    https: httpsConfig(env),
    logLevel: setting('DINF_LOG', env) ?? 'info',
    minimumTrust: minimumTrust === 'none' ? undefined : minimumTrust,
    defaultPrice: {
      inputPerMillion: setting('DINF_DEFAULT_INPUT_PRICE', env),
      outputPerMillion: setting('DINF_DEFAULT_OUTPUT_PRICE', env),
    },
    accountLimits: accountLimits(env),
    leafLifetimeMs: setting('DINF_LEAF_LIFETIME_HOURS', env) * HOUR_MS,
    oidc: oidcConfig(env),
    admin:
      adminPort === undefined
        ? undefined
        : { host: loopbackOrInsecure(env, 'DINF_ADMIN_HOST'), port: adminPort },
    metrics: metricsAddress(env),
    otel: otelSettings(env),
    linkUrl: setting('DINF_LINK_URL', env) ?? (publicUrl && new URL('/link', publicUrl).href),
    consoleFolder: join(PROGRAM, 'console', 'dist'),
    revokedCertificates: setting('DINF_REVOKED_CERTIFICATES', env).map((serial) =>
      serial.toLowerCase(),
    ),
    oidcClientSecret: setting('DINF_OIDC_CLIENT_SECRET', env),
    stripe: stripeConfig(env),
    mdm: mdmConfig(env),
  };
}

function plainFields(env: Environment): PlainFields {
  const fields = Object.entries(PLAIN_FIELDS).map(([field, name]) => [field, setting(name, env)]);
  return Object.fromEntries(fields) as PlainFields;
}

/** Reports a wrong URL at the start, and not with the first request. */
function databaseUrl(env: Environment): string {
  const url = setting('DATABASE_URL', env) ?? '';
  databaseAddresses(url);
  return url;
}

/** The limit 0 means no limit. */
function accountLimits(env: Environment): RateLimits {
  const requests = setting('DINF_ACCOUNT_RPM', env);
  const inputTokens = setting('DINF_ACCOUNT_ITPM', env);
  const outputTokens = setting('DINF_ACCOUNT_OTPM', env);
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
function loopbackOrInsecure(env: Environment, name: 'DINF_HTTP_HOST' | 'DINF_ADMIN_HOST'): string {
  const host = setting(name, env);
  if (isLoopback(host) || setting('DINF_INSECURE', env)) return host;
  throw new ConfigError(
    `${name}=${host} would accept connections of other machines without TLS. Give a certificate (DINF_TLS_CERT and DINF_TLS_KEY), or set DINF_INSECURE=1 if a proxy in front terminates TLS.`,
  );
}

function sharedPorts(env: Environment): boolean {
  const wanted = setting('DINF_SHARED_PORTS', env);
  if (wanted && !CAN_SHARE_PORTS) throw new ConfigError('DINF_SHARED_PORTS=1 works only on Linux.');
  return wanted;
}

function httpsConfig(env: Environment): HttpsConfig | undefined {
  if (!areSetTogether(env, ['DINF_TLS_CERT', 'DINF_TLS_KEY'])) return undefined;
  return {
    host: setting('DINF_HTTPS_HOST', env),
    port: setting('DINF_HTTPS_PORT', env),
    certificateFile: resolve(setting('DINF_TLS_CERT', env) ?? ''),
    keyFile: resolve(setting('DINF_TLS_KEY', env) ?? ''),
  };
}

function oidcConfig(env: Environment): OidcConfig | undefined {
  const issuer = setting('DINF_OIDC_ISSUER', env);
  if (issuer === undefined) return undefined;
  return {
    issuer,
    audience: setting('DINF_OIDC_AUDIENCE', env),
    algorithms: setting('DINF_OIDC_ALGORITHMS', env),
  };
}

function stripeConfig(env: Environment): StripeConfig | undefined {
  if (!areSetTogether(env, ['DINF_STRIPE_KEY', 'DINF_STRIPE_WEBHOOK_SECRET'])) return undefined;
  return {
    apiKey: setting('DINF_STRIPE_KEY', env) ?? '',
    webhookSecret: setting('DINF_STRIPE_WEBHOOK_SECRET', env) ?? '',
    url: setting('DINF_STRIPE_URL', env),
  };
}

function mdmConfig(env: Environment): MdmConfig | undefined {
  if (!areSetTogether(env, ['DINF_MDM_URL', 'DINF_MDM_KEY', 'DINF_MDM_WEBHOOK_SECRET']))
    return undefined;
  return {
    url: setting('DINF_MDM_URL', env) ?? '',
    apiKey: setting('DINF_MDM_KEY', env) ?? '',
    webhookSecret: setting('DINF_MDM_WEBHOOK_SECRET', env) ?? '',
  };
}

/** True if all of these settings are set, false if none is; a part of them is an error. */
function areSetTogether(env: Environment, names: readonly SettingName[]): boolean {
  const missing = names.filter((name) => !isSet(name, env));
  if (missing.length > 0 && missing.length < names.length)
    throw new ConfigError(
      `${names.join(', ')} must be set together; ${missing.join(', ')} is not set.`,
    );
  return missing.length === 0;
}
