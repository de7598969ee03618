import { FIRST_CELL, MAX_CELLS } from '../messages/cells.ts';
import { TRUST_LEVELS } from '../messages/vocabulary.ts';
import { Type } from '../type.ts';
import {
  flag,
  host,
  integerSetting,
  list,
  microDollars,
  milliseconds,
  oneOf,
  path,
  portSetting,
  text,
  url,
} from './setting-schemas.ts';

const { Optional: optional } = Type;
const DAY_MS = 86_400_000;
const MIB = 1_048_576;
/** JetStream stores at most this many copies of a stream. */
const MAX_REPLICAS = 5;

/** Settings of the listeners of the API and of its callers. */
export const apiSettings = {
  DINF_HTTP_HOST: host({
    default: '127.0.0.1',
    description:
      'address on which the API listens without TLS. An address that other machines reach needs `DINF_INSECURE=1`',
  }),
  DINF_HTTP_PORT: portSetting({
    default: 8_080,
    description: 'port on which the API listens without TLS',
  }),
  DINF_SHARED_PORTS: flag({
    default: false,
    description:
      '`1`: other ingresses of this machine listen on the same ports of the API (only on Linux); the kernel gives each connection to one of them ([operating/several-machines.md](operating/several-machines.md#several-processors))',
  }),
  DINF_TLS_CERT: optional(
    path({
      description:
        'file with the certificate of the API and its chain, in PEM. With it and `DINF_TLS_KEY` the API also listens with TLS; changed files are used within five seconds',
    }),
  ),
  DINF_TLS_KEY: optional(
    path({ description: 'file with the private key of the certificate, in PEM' }),
  ),
  DINF_HTTPS_HOST: host({
    default: '0.0.0.0',
    description: 'address on which the API listens with TLS',
  }),
  DINF_HTTPS_PORT: portSetting({
    default: 443,
    description: 'port on which the API listens with TLS',
  }),
  DINF_PUBLIC_URL: optional(url({ description: 'URL at which other machines reach the API' })),
  DINF_LINK_URL: optional(
    url({
      shownDefault:
        '`/link` at `DINF_PUBLIC_URL`, otherwise at the address on which the API listens',
      description:
        "URL at which machine owners reach the page for a machine's code. The `Host` header of a request is never used for it",
    }),
  ),
  DINF_INSTALL_PACKAGE: optional(
    path({
      description:
        'the file `d-inference-VERSION.tgz` that `GET /install.sh` installs on the computers of machine owners. Without it there is no installer',
    }),
  ),
  DINF_INSTALL_PACKAGE_BETA: optional(
    path({
      description:
        'a package like `DINF_INSTALL_PACKAGE`, with another version, for machines whose owners chose `--channel beta`. Without it they get the other one',
    }),
  ),
  DINF_ADMIN_PORT: optional(
    portSetting({
      description:
        "port of the operators' routes, including `/metrics` (with an operator key as bearer token). If it is not set, these routes do not exist",
    }),
  ),
  DINF_ADMIN_HOST: host({
    default: '127.0.0.1',
    description: "address on which the operators' routes listen",
  }),
  DINF_TRUSTED_PROXIES: list({
    description: 'addresses or networks of proxies whose `X-Forwarded-For` is used',
  }),
  DINF_REDIRECT_HOSTS: list({
    pattern: '^(?:[a-zA-Z0-9-]+\\.)+[a-zA-Z][a-zA-Z0-9-]*(?::[0-9]{1,5})?$',
    description:
      'further hosts to which a page of Stripe may send people back, for example `shop.example.com`. The host of `DINF_PUBLIC_URL` and the own computer of a person are always allowed',
  }),
  DINF_IMAGE_HOSTS: list({
    pattern: '^(?:\\*\\.)?(?:[a-zA-Z0-9-]+\\.)+[a-zA-Z][a-zA-Z0-9-]*$',
    description:
      'hosts from which the ingress fetches the images that requests name by an `https:` address, for example `images.example.com,*.example.org`. If it is not set, only inline images are accepted ([calling.md](calling.md#images))',
  }),
  DINF_IMAGE_MAX_BYTES: integerSetting({
    default: 4 * MIB,
    minimum: 1_024,
    maximum: 8 * MIB,
    unit: 'bytes',
    description: 'largest image that the ingress fetches',
  }),
  DINF_HEARTBEAT_MS: milliseconds({
    default: 15_000,
    minimum: 0,
    maximum: 600_000,
    description:
      'silence in a stream after which a comment is sent to keep the connection open; `0` for none',
  }),
  DINF_ADMISSION_MS: milliseconds({
    default: 500,
    minimum: 1,
    maximum: 60_000,
    description:
      'longest wait of a request until an ingress with more work than its processor can do begins it, four times as long in a burst; then it refuses new ones with 429 `overloaded` ([capacity-planning.md](operating/capacity-planning.md#overload))',
  }),
  DINF_DRAIN_NOTICE_MS: milliseconds({
    default: 5_000,
    minimum: 0,
    maximum: 600_000,
    shownDefault: '`5000`, `0` with `up`',
    description:
      'time from the stop signal of an ingress, when `/readyz` begins to report 503, until it refuses new requests; a proxy in front must notice the 503 in this time ([upgrade.md](operating/upgrade.md))',
  }),
  DINF_DRAIN_MS: milliseconds({
    default: 30_000,
    minimum: 0,
    maximum: 3_600_000,
    description: 'after that: longest wait of a stopping ingress for running answers',
  }),
  DINF_HEADERS_TIMEOUT_MS: milliseconds({
    default: 10_000,
    minimum: 100,
    maximum: 600_000,
    description: 'time in which a client must send its headers',
  }),
  DINF_REQUEST_TIMEOUT_MS: milliseconds({
    default: 120_000,
    minimum: 100,
    maximum: 3_600_000,
    description: 'time in which a client must send its whole request',
  }),
  DINF_ACCOUNT_RPM: integerSetting({
    default: 1_200,
    minimum: 0,
    maximum: 1_000_000_000,
    shownDefault: '`1200`, none with `up`',
    description:
      'requests that an account may make in any minute, over all its keys and all ingresses; `0` for no limit',
  }),
  DINF_ACCOUNT_ITPM: integerSetting({
    default: 5_000_000,
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    shownDefault: '`5000000`, none with `up`',
    description: 'prompt tokens that an account may send in any minute; `0` for no limit',
  }),
  DINF_ACCOUNT_OTPM: integerSetting({
    default: 500_000,
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    shownDefault: '`500000`, none with `up`',
    description: 'answer tokens that an account may request in any minute; `0` for no limit',
  }),
  DINF_ADDRESS_LIMIT: integerSetting({
    default: 60,
    minimum: 1,
    maximum: 1_000_000,
    description:
      'wrong credentials, and calls that need none, from one address in a minute; also wrong codes (machines, invites, referrals) of one account in a minute',
  }),
  DINF_LINKS_PER_DAY: integerSetting({
    default: 10,
    minimum: 1,
    maximum: 1_000_000,
    description:
      'machines that one account may link in 24 hours; machines that an operator enrols are not counted',
  }),
  DINF_OIDC_ISSUER: optional(
    text({
      shownDefault: 'with `up`, an issuer of its own',
      description: 'URL of the OpenID issuer where people sign in; it must publish its keys',
    }),
  ),
  DINF_OIDC_AUDIENCE: text({
    default: 'd-inference',
    description: 'audience that a token of the issuer must have',
  }),
  DINF_OIDC_CLIENT_SECRET: optional(
    text({
      isSecret: true,
      description:
        "secret of the client at the issuer with which people sign in to the console; the client's id is the audience, and an issuer that accepts public clients needs no secret",
    }),
  ),
  DINF_OIDC_ALGORITHMS: Type.Array(
    Type.Enum(['ES256', 'ES384', 'ES512', 'PS256', 'RS256', 'EdDSA']),
    { default: ['ES256'], description: 'accepted signature algorithms of tokens' },
  ),
};

/** Settings of jobs, routing and streams. */
export const jobSettings = {
  DINF_JOB_TIMEOUT_MS: milliseconds({
    default: 600_000,
    minimum: 1_000,
    maximum: 3_600_000,
    description: 'longest time that a job may run, from its receipt until its end',
  }),
  DINF_FIRST_CONTENT_MS: milliseconds({
    default: 9_000,
    minimum: 100,
    maximum: 600_000,
    description:
      'base of the deadline for the first content; one millisecond for each prompt token is added',
  }),
  DINF_DIRECT_CALLS: flag({
    default: true,
    description:
      '`0` sends the calls between components of one process through the hub too, where operators can watch them with `nats sub "svc.>"`; a request then takes more processor time',
  }),
  DINF_CELL: integerSetting({
    default: FIRST_CELL,
    minimum: 0,
    maximum: MAX_CELLS - 1,
    description:
      'number of the cell for which the router of this process decides; routers with another number divide the fleet ([scale.md](scale.md))',
  }),
  DINF_QUEUE_DEPTH: integerSetting({
    default: 128,
    minimum: 0,
    maximum: 100_000,
    description: 'number of jobs that may wait for a slot',
  }),
  DINF_QUEUE_PATIENCE_MS: milliseconds({
    default: 30_000,
    minimum: 0,
    maximum: 600_000,
    description: 'longest time that a job waits for a slot',
  }),
  DINF_MIN_TRUST: oneOf(TRUST_LEVELS, {
    default: 'none',
    description:
      'lowest trust level of a machine that serves paid requests. Routing reads it, so all routers need the same value. Owners can always use their own machines',
  }),
  DINF_MIN_STREAM_TPS: integerSetting({
    default: 15,
    minimum: 0,
    maximum: 1_000,
    description:
      'least speed of an answer, in tokens per second. A machine on which a further answer would make the others slower gets it only if no other machine can serve it. `0` for none. All routers need the same value',
  }),
  DINF_BEAT_TIMEOUT_MS: milliseconds({
    default: 15_000,
    minimum: 500,
    maximum: 600_000,
    description: 'silence after which a provider gets no more work',
  }),
  DINF_RECOUNT_EVERY: integerSetting({
    default: 20,
    minimum: 0,
    maximum: 1_000_000,
    description:
      'one answer in this many, chosen at random, is recounted with the tokenizer of its model (`--tokenizer` when the model is added or set); answers with more than one token for two bytes always are; `0` for none',
  }),
  DINF_RECOUNT_WAIT_MS: milliseconds({
    default: 250,
    minimum: 1,
    maximum: 60_000,
    description:
      'how long the end of such an answer waits for its recount; after that the answer counts as not recounted',
  }),
  DINF_STREAM_REPLICAS: optional(
    integerSetting({
      minimum: 1,
      maximum: MAX_REPLICAS,
      shownDefault: '3 with three hubs or more, otherwise 1',
      description:
        'copies of each stream, each on another hub. Without this setting `dinf migrate` raises the number when hubs were added, and never lowers it ([operating/cluster.md](operating/cluster.md))',
    }),
  ),
};

/** Settings of prices, the ledger and payments. */
export const moneySettings = {
  DINF_FEE_BPS: integerSetting({
    default: 500,
    minimum: 0,
    maximum: 10_000,
    unit: 'hundredths of a percent',
    description: 'share of a charge that the platform keeps',
  }),
  DINF_MINIMUM_CHARGE_MICRO_USD: microDollars({
    default: 0,
    maximum: 1_000_000,
    description:
      'minimum charge for a job that delivered at least one token. Settlement charges it and the ingress lists it, so both need the same value. A charge is always rounded up to a whole micro-dollar',
  }),
  DINF_BATCH_DISCOUNT_PERCENT: integerSetting({
    default: 50,
    minimum: 0,
    maximum: 100,
    unit: 'percent',
    description:
      'how much less a line of a batch costs than the same request outside a batch. Settlement applies it to the price of the machine, so the machine earns less too',
  }),
  DINF_PRICE_NOTICE_MS: milliseconds({
    default: 600_000,
    minimum: 0,
    maximum: 30 * DAY_MS,
    description:
      "time between the announcement of a higher price by a machine's owner and its effect; `0` for none",
  }),
  DINF_DEFAULT_INPUT_PRICE: microDollars({
    default: 50_000,
    description: 'price of a million prompt tokens of a model without a price of its own',
  }),
  DINF_DEFAULT_OUTPUT_PRICE: microDollars({
    default: 200_000,
    description: 'price of a million answer tokens of a model without a price of its own',
  }),
  DINF_RECEIPT_GRACE_MS: milliseconds({
    default: 30_000,
    minimum: 100,
    maximum: 600_000,
    description:
      "how long settlement waits for the end reported by the ingress before a receipt settles the job; and, after such an end, how long it waits for the provider's signed receipt before it refunds the job",
  }),
  DINF_LEDGER_ONLINE_MONTHS: integerSetting({
    default: 13,
    minimum: 1,
    maximum: 1_200,
    unit: 'months',
    description:
      'complete months for which charges and receipts stay in the database, besides the current one; `dinf ledger archive` exports and deletes only older ones',
  }),
  DINF_VERIFY_EVERY_MS: milliseconds({
    default: 300_000,
    minimum: 1_000,
    maximum: DAY_MS,
    description: 'interval at which settlement proves that the ledger balances',
  }),
  DINF_STRIPE_KEY: optional(
    text({
      isSecret: true,
      description:
        'secret key of Stripe; without it no credit can be bought and no earnings paid out',
    }),
  ),
  DINF_STRIPE_WEBHOOK_SECRET: optional(
    text({ isSecret: true, description: 'secret with which Stripe signs its webhooks' }),
  ),
  DINF_STRIPE_URL: optional(
    url({ shownDefault: "Stripe's", description: 'address of Stripe, for tests' }),
  ),
};

/** Settings of trust. */
export const trustSettings = {
  DINF_LEAF_LIFETIME_HOURS: integerSetting({
    default: 720,
    minimum: 1,
    maximum: 87_600,
    unit: 'hours',
    description:
      "how long the credentials of a machine's leaf are valid; the machine renews them after half of that time",
  }),
  DINF_DEMAND_BUS_SIGNATURE: flag({
    default: false,
    description:
      "`1`: trust accepts only evidence that is also signed with the machine's key on the bus. Set it when no machine runs version 0.1 any more ([operating/several-machines.md](operating/several-machines.md#first-contact-of-a-machine))",
  }),
  DINF_APPLE_ROOTS: list({
    shownDefault: "Apple's, included in the repository",
    description: 'PEM files with the root certificates to which attestations of Macs must lead',
  }),
  DINF_REVOKED_CERTIFICATES: list({
    description: 'serial numbers of certificates that are no longer accepted',
  }),
  DINF_MDM_URL: optional(
    url({
      description:
        "URL of the MicroMDM server from which trust requests Apple's attestations of devices; without it none are requested",
    }),
  ),
  DINF_MDM_KEY: optional(
    text({ isSecret: true, description: 'API key of MicroMDM (its option `-api-key`)' }),
  ),
  DINF_MDM_WEBHOOK_SECRET: optional(
    text({
      isSecret: true,
      minLength: 16,
      description:
        'secret that the webhook of MicroMDM must send: `-command-webhook-url https://mdm:SECRET@operators/admin/mdm/webhook`, or `?secret=SECRET`',
    }),
  ),
};
