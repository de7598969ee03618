import { join, resolve } from 'node:path';

/** Every setting of the coordinator, from the environment. The table in docs/configuration.md lists them. */
export interface Config {
  readonly home: string;
  readonly natsUrls: readonly string[];
  readonly coreCredentials: string;
  readonly systemCredentials: string;
  readonly leafUrls: readonly string[];
  readonly databaseUrl: string;
  readonly http: { readonly host: string; readonly port: number };
  readonly logLevel: string;
  /** Longest that a job may run, from its receipt. */
  readonly jobTimeoutMs: number;
  /** Base of the time a provider has for the first content; a millisecond for each prompt token comes on top. */
  readonly firstContentMs: number;
  readonly queueDepth: number;
  readonly queuePatienceMs: number;
  /** Silence after which a provider is no longer offered work. */
  readonly beatTimeoutMs: number;
  /** How long settlement waits for an ingress to report before it charges by the provider's receipt alone. */
  readonly receiptGraceMs: number;
  /** Silence in a stream after which a comment is sent; 0 for none. */
  readonly heartbeatMs: number;
  /** The platform's share of a charge, in hundredths of a percent. */
  readonly feeBps: number;
  /** Least that a job costs which delivered anything, in micro-dollars. */
  readonly minimumChargeMicroUsd: number;
  /** Micro-dollars for a million tokens of a model that has no price of its own. */
  readonly defaultPrice: { readonly inputPerMillion: number; readonly outputPerMillion: number };
  /** How often the ledger is proven to balance. */
  readonly verifyEveryMs: number;
  /** Absent where no money is bought or paid out. */
  readonly stripe: StripeConfig | undefined;
}

export interface StripeConfig {
  readonly apiKey: string;
  readonly webhookSecret: string;
  /** Where Stripe answers; its own address when absent. */
  readonly url: string | undefined;
}

export class ConfigError extends Error {
  readonly code = 'invalid_config';
}

export function readConfig(env: NodeJS.ProcessEnv): Config {
  const home = resolve(env['DINF_HOME'] ?? '.dinf');
  return {
    home,
    natsUrls: list(env['DINF_NATS_URL'] ?? 'nats://127.0.0.1:4222'),
    coreCredentials: env['DINF_CORE_CREDS'] ?? join(home, 'keys', 'core.creds'),
    systemCredentials: env['DINF_SYS_CREDS'] ?? join(home, 'keys', 'sys.creds'),
    leafUrls: list(env['DINF_LEAF_URL'] ?? 'nats-leaf://127.0.0.1:7422'),
    databaseUrl: env['DATABASE_URL'] ?? '',
    http: { host: env['DINF_HTTP_HOST'] ?? '127.0.0.1', port: integer(env, 'DINF_HTTP_PORT', 8080, 0, 65_535) },
    logLevel: env['DINF_LOG'] ?? 'info',
    jobTimeoutMs: integer(env, 'DINF_JOB_TIMEOUT_MS', 600_000, 1_000, 3_600_000),
    firstContentMs: integer(env, 'DINF_FIRST_CONTENT_MS', 9_000, 100, 600_000),
    queueDepth: integer(env, 'DINF_QUEUE_DEPTH', 128, 0, 100_000),
    queuePatienceMs: integer(env, 'DINF_QUEUE_PATIENCE_MS', 30_000, 0, 600_000),
    beatTimeoutMs: integer(env, 'DINF_BEAT_TIMEOUT_MS', 15_000, 500, 600_000),
    receiptGraceMs: integer(env, 'DINF_RECEIPT_GRACE_MS', 30_000, 100, 600_000),
    heartbeatMs: integer(env, 'DINF_HEARTBEAT_MS', 15_000, 0, 600_000),
    feeBps: integer(env, 'DINF_FEE_BPS', 500, 0, 10_000),
    minimumChargeMicroUsd: integer(env, 'DINF_MINIMUM_CHARGE_MICRO_USD', 100, 0, 1_000_000),
    defaultPrice: {
      inputPerMillion: integer(env, 'DINF_DEFAULT_INPUT_PRICE', 50_000, 0, Number.MAX_SAFE_INTEGER),
      outputPerMillion: integer(env, 'DINF_DEFAULT_OUTPUT_PRICE', 200_000, 0, Number.MAX_SAFE_INTEGER),
    },
    verifyEveryMs: integer(env, 'DINF_VERIFY_EVERY_MS', 300_000, 1_000, 86_400_000),
    stripe: stripeConfig(env),
  };
}

function stripeConfig(env: NodeJS.ProcessEnv): StripeConfig | undefined {
  const apiKey = env['DINF_STRIPE_KEY'] ?? '';
  const webhookSecret = env['DINF_STRIPE_WEBHOOK_SECRET'] ?? '';
  if (apiKey === '' && webhookSecret === '') return undefined;
  if (apiKey === '' || webhookSecret === '') throw new ConfigError('DINF_STRIPE_KEY and DINF_STRIPE_WEBHOOK_SECRET belong together');
  return { apiKey, webhookSecret, url: env['DINF_STRIPE_URL'] };
}

function list(value: string): string[] {
  return value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

function integer(env: NodeJS.ProcessEnv, name: string, fallback: number, minimum: number, maximum: number): number {
  const text = env[name];
  if (text === undefined || text === '') return fallback;
  const value = Number(text);
  if (!Number.isInteger(value) || value < minimum || value > maximum) {
    throw new ConfigError(`${name} must be a whole number from ${minimum} to ${maximum}`);
  }
  return value;
}
