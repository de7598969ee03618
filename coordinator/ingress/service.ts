import { readFile } from 'node:fs/promises';
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import type { Server } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import websocket from '@fastify/websocket';
import type { NatsConnection } from '@nats-io/nats-core';
import type { Logger } from 'pino';
import { demandTls, MAX_REQUEST_BYTES, newIngressId, RelaySenders } from '#bus-schemas';
import { Cells } from '#coordinator/cells/cells.ts';
import type { Component } from '#coordinator/component.ts';
import type { Config, OidcConfig } from '#coordinator/config.ts';
import type { Context } from '#coordinator/context.ts';
import { coreKey, readCoreSeed } from '#coordinator/core-secret.ts';
import { DeliveryProofs } from '#coordinator/delivery-proofs.ts';
import { TokenCounter } from '#coordinator/tokenizers/token-counter.ts';
import { WindowCounts } from '#coordinator/window-counts.ts';
import { CAN_SHARE_PORTS } from '#coordinator/worker-place.ts';
import { MemoryBudget } from '#http-api/memory-budget.ts';
import { closeServer, createServer, limitsOfNode, stopAccepting } from '#http-api/server.ts';
import { counter, measured } from '#observability';
import type { OpenTelemetry } from '#observability/otel/open-telemetry.ts';
import { AdminApi } from './admin/admin-api.ts';
import { addAdminRoutes } from './admin/admin-routes.ts';
import { IncidentWatch } from './admin/incidents/incident-watch.ts';
import { addMdmRoute } from './admin/mdm-route.ts';
import { OperatorAuth } from './admin/operator-auth.ts';
import { addOperatorPages } from './admin/operator-pages.ts';
import { addOperatorSessionRoutes } from './admin/operator-session-routes.ts';
import { OperatorSessions } from './admin/operator-sessions.ts';
import { RecentDecisions } from './admin/recent-decisions.ts';
import { AdmissionQueue } from './admission-queue.ts';
import { AskedPrices } from './asked-prices.ts';
import { BatchRunner } from './batches/batch-runner.ts';
import { BodyThreads } from './bodies/body-threads.ts';
import { CatalogCache } from './catalog-cache.ts';
import { LiveFeed } from './console/live/live-feed.ts';
import { CodeFlow } from './console/oidc/code-flow.ts';
import { LateBudget } from './core/late-budget.ts';
import { degradations } from './degradations.ts';
import { Drain } from './drain.ts';
import { FlowSender } from './flow-sender.ts';
import { Api } from './http/api.ts';
import { documentApi } from './http/api-document.ts';
import { createAuth } from './http/authenticate.ts';
import { limitConnections } from './http/connection-limit.ts';
import { closeListener, expectFree, listenBeside, passOnTo } from './http/listeners.ts';
import { RedirectHosts } from './http/redirect-hosts.ts';
import { addRoutes } from './http/routes.ts';
import { startTlsListener, type TlsListener } from './http/tls-listener.ts';
import { endVanishedClients } from './http/vanished-clients.ts';
import { IdempotentAnswers } from './idempotent-answers.ts';
import { IssuerDocument } from './identity/issuer-document.ts';
import { KeyCache } from './identity/key-cache.ts';
import { SessionCache } from './identity/session-cache.ts';
import { TokenVerifier } from './identity/token-verifier.ts';
import { Users } from './identity/users.ts';
import { fetchImage } from './images/image-fetcher.ts';
import { RemoteImages } from './images/remote-images.ts';
import { readOfferedPackages } from './install/install-routes.ts';
import type { JobSpec } from './job-spec.ts';
import type { JobTrace } from './job-trace.ts';
import { Jobs } from './jobs.ts';
import { KeyPolicy } from './key-policy.ts';
import { AddressLimiter } from './limits/address-limiter.ts';
import { GuessLimiter } from './limits/guess-limiter.ts';
import { LimitTaker } from './limits/limit-taker.ts';
import { OwnMachines } from './own-machines.ts';
import { PlaceFinder } from './place-finder.ts';
import { ReceiptGroups } from './receipt-groups.ts';
import { receiptWhenSettled } from './receipt-wait.ts';
import { Recounter } from './recounter.ts';
import { EvidenceCache } from './sealed/evidence-cache.ts';
import { SealedSessions } from './sealed/sealed-sessions.ts';
import { StoredRuns } from './stored/stored-runs.ts';
import { SiblingWorkers } from './workers/sibling-workers.ts';

/** The use of the key with which ingresses seal the keys of batches for one another. */
const BATCH_KEYS = 'dinf batch keys 1';
/** Memory for all answers that are collected whole before they are sent, in bytes. */
const WHOLE_ANSWERS_BYTES = 256 * 1024 * 1024;
/** Memory for the parts of streamed answers that another machine could continue, in bytes. */
const CONTINUABLE_BYTES = 64 * 1024 * 1024;

export interface Ingress extends Component {
  readonly name: 'ingress';
  readonly url: string;
  /** URL of the routes for operators; undefined without them. */
  readonly adminUrl: string | undefined;
}

/** Starts the HTTP API: the only part of the coordinator that can read requests and answers. */
export async function startIngress(
  context: Context,
  { oidcClientSecret }: Pick<Config, 'oidcClientSecret'>,
): Promise<Ingress> {
  const { bus, config, log, metrics, otel, now } = context;
  const clock = () => performance.now();
  const ingress = newIngressId();
  const publish = (subject: string, payload: Uint8Array) =>
    bus.connection.publish(subject, payload);
  await using stack = new AsyncDisposableStack();
  const tokenCounter = stack.use(new TokenCounter());
  const bodies = stack.use(new BodyThreads({ log }));
  const cells = stack.use(new Cells(bus, clock));
  const oidc = config.oidc && openIdOf(config.oidc, { log, clientSecret: oidcClientSecret });
  const users = stack.use(new Users(bus, oidc?.verifier, now));
  const consoleSessions = stack.use(new SessionCache(bus, now));
  const keys = stack.use(new KeyCache(bus, { clock, now }));
  const catalog = stack.use(new CatalogCache(bus, log));
  const flow = stack.use(
    new FlowSender({
      ingress,
      publish,
      proofs: await DeliveryProofs.open(config.coreCredentials),
    }),
  );
  const senders = new RelaySenders();
  const ownMachines = new OwnMachines(bus, clock);
  const places = new PlaceFinder(bus, cells);
  const jobs = new Jobs({
    ingress,
    bus,
    flow,
    places,
    lateBudget: new LateBudget(),
    receiptGroups: stack.use(new ReceiptGroups({ connection: bus.connection, log })),
    recounter: new Recounter({
      counter: tokenCounter,
      home: config.home,
      every: config.recountEvery,
      waitMs: config.recountWaitMs,
      log,
      metrics,
      clock,
    }),
    memoryOfAnswers: new MemoryBudget(CONTINUABLE_BYTES),
    log,
    traceOf: otel && (await tracing(otel)),
    times: config,
    now,
    clock,
  });
  const storedRuns = new StoredRuns({ bus, log, now });
  const workers = new SiblingWorkers(config.worker);
  measured(metrics, 'dinf_ingress_jobs_running', () => jobs.size);

  const drain = new Drain({ noticeMs: config.drainNoticeMs, clock });
  const missing = async () => [
    ...(drain.state === 'open' ? [] : ['draining']),
    ...((await answersWithin(bus.connection, 1_000)) ? [] : ['bus']),
    ...(catalog.isLoaded ? [] : ['catalog']),
  ];
  const degraded = async () => [
    ...(admission.isFull ? ['this ingress gets more requests than it can serve'] : []),
    ...(await degradations(bus)),
  ];
  const admin = config.admin && createServer({ log, ...config });
  if (admin !== undefined) stack.defer(() => closeServer(admin));
  const rejected = counter(metrics, 'dinf_http_rejected_total');
  const server = createServer({
    log,
    onRejected: (code) => rejected.inc({ code }),
    ...config,
  });
  let others: readonly HttpServer[] = [];
  let tls: TlsListener | undefined;
  stack.defer(async () => {
    const closed = [closeServer(server), ...others.map(closeListener)];
    await Promise.all([...closed, tls?.[Symbol.asyncDispose]()]);
  });
  // A proxy must not send its next request on a connection that is about to be closed.
  server.addHook('onRequest', async (_request, reply) => {
    if (drain.state !== 'open') reply.raw.setHeader('connection', 'close');
  });
  const apiDocument = documentApi(server);
  await server.register(websocket, { options: { maxPayload: MAX_REQUEST_BYTES } });
  const liveFeed = stack.use(new LiveFeed({ bus, clock, log }));
  measured(metrics, 'dinf_console_streams', () => liveFeed.streams);
  const addressLimiter = () => new AddressLimiter(config.addressLimit, clock);
  const strangers = addressLimiter();
  const memory = new MemoryBudget(WHOLE_ANSWERS_BYTES);
  const sealFor = senders.sealFor.bind(senders);
  const { imageHosts: hosts, imageMaxBytes: maxBytes } = config;
  const images =
    hosts.length === 0 ? undefined : new RemoteImages({ rules: { hosts, maxBytes }, fetchImage });
  const policy = new KeyPolicy({
    ownMachines,
    accountLimits: config.accountLimits,
    limits: new LimitTaker(bus, log),
  });
  const ingressKey = coreKey(await readCoreSeed(config.coreCredentials), BATCH_KEYS);
  const isClosed = () => drain.state === 'closed';
  const admission = new AdmissionQueue({ mostMs: config.admissionMs, clock });
  measured(metrics, 'dinf_ingress_admission_waiting', () => admission.size);
  addRoutes(server, {
    apiDocument,
    bus,
    catalog,
    ownMachines,
    counter: tokenCounter,
    home: config.home,
    log,
    jobs,
    storedRuns,
    missing,
    degraded,
    now,
    clock,
    sealFor,
    images,
    bodies,
    memory,
    ingressKey,
    receiptOf: (asked) =>
      receiptWhenSettled(bus, asked, clock).catch((error: unknown) => {
        log.warn({ job: asked.job, err: error }, 'the receipt of a job could not be read');
        return undefined;
      }),
    askedPrices: new AskedPrices({ bus, log, clock }),
    heartbeatMs: config.heartbeatMs,
    linkUrl: config.linkUrl,
    consoleFolder: config.consoleFolder,
    keys,
    consoleSessions,
    liveFeed,
    oidc,
    publicUrl: config.publicUrl,
    redirects: new RedirectHosts({ publicUrl: config.publicUrl, hosts: config.redirectHosts }),
    ...(await readOfferedPackages(config)),
    hubs: { leafUrls: config.leafUrls, hubCa: () => hubCaOf(config) },
    minimumChargeMicroUsd: config.minimumChargeMicroUsd,
    strangers,
    guesses: new GuessLimiter({ addresses: strangers, limit: config.addressLimit, clock }),
    auth: createAuth({ keys, users, consoleSessions, wrong: addressLimiter() }),
    policy,
    idempotent: new IdempotentAnswers({ bus, log, now }),
    workers,
    sessions: new SealedSessions({
      jobs,
      newJobId: () => workers.newJobId(),
      evidence: new EvidenceCache(bus, clock),
      badlySealed: new WindowCounts({ windowMs: 60_000, now: clock }),
      clock,
    }),
    isClosed,
    admission,
  });
  const limits = limitsOfNode(config);
  stack.use(await workers.listen(server, limits));
  const { https, sharesPorts } = config;
  if (!sharesPorts) await expectFree(config.http);
  // Fastify passes `reusePort` on to Node, although its types do not name it.
  const address = { ...config.http, reusePort: CAN_SHARE_PORTS };
  const url = await server.listen(address);
  const create = () => passOnTo(server, createHttpServer(limits, server.routing));
  others = await listenBeside(server.server, create);
  log.info({ url, ingress }, 'the API listens');
  if (https !== undefined) {
    const shared = { server, limits, log, metrics };
    tls = await startTlsListener({ ...shared, https, sharesPort: sharesPorts });
    log.info({ url: tls.url, ingress }, 'the API listens with TLS');
  }
  const listeners = [server.server, ...others, ...(tls?.servers ?? [])];
  limitConnections(listeners, { log, metrics });
  measured(metrics, 'dinf_http_connections', () => openConnections(listeners));
  stack.use(endVanishedClients({ servers: listeners, log }));
  stack.use(jobs);
  stack.use(storedRuns);
  const batches = stack.use(
    new BatchRunner({
      ingress,
      bus,
      catalog,
      ownMachines,
      policy,
      jobs,
      memory,
      sealFor,
      images,
      bodies,
      ingressKey,
      metrics,
      isClosed,
      admission,
      log,
      now,
      clock,
    }),
  );
  stack.defer(async () => {
    // The others that listen on the same ports get the new connections from now on.
    if (sharesPorts) for (const listener of listeners) stopAccepting(listener);
    await drain.close();
    batches.stop();
    await jobs.end(config.drainMs);
  });
  if (admin !== undefined) {
    const sessions = new OperatorSessions(now);
    const auth = new OperatorAuth({ bus, wrong: addressLimiter(), sessions });
    const api = new Api(admin, { operator: auth.check }, bus);
    const decisions = stack.use(new RecentDecisions(bus));
    const incidents = stack.use(new IncidentWatch({ bus, cells, log, now }));
    addAdminRoutes({
      admin: new AdminApi(api),
      bus,
      cells,
      decisions,
      drain,
      incidents,
      metrics,
      missing,
      degraded,
      now,
    });
    addOperatorSessionRoutes({ api, auth, sessions });
    addOperatorPages(admin, config.consoleFolder);
    addMdmRoute(admin, bus);
  }
  const adminUrl = await admin?.listen(config.admin);
  if (adminUrl !== undefined) log.info({ url: adminUrl }, 'the routes for operators are listening');

  const owned = stack.move();
  return { name: 'ingress', url, adminUrl, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Sign-in at the issuer: tokens of programs are verified, and browsers get theirs. */
function openIdOf(
  config: OidcConfig,
  { log, clientSecret }: { log: Logger; clientSecret: string | undefined },
) {
  const document = new IssuerDocument(config.issuer);
  return {
    verifier: new TokenVerifier(config, document, log),
    flow: new CodeFlow({ document, clientId: config.audience, clientSecret }),
  };
}

/** Loads the code for traces only if it is needed. */
async function tracing(otel: OpenTelemetry): Promise<(spec: JobSpec) => JobTrace> {
  const { JobTrace } = await import('./job-trace.ts');
  return (spec) => new JobTrace(otel, spec);
}

async function openConnections(listeners: readonly Server[]): Promise<number> {
  const counts = await Promise.all(
    listeners.map((listener) => promisify(listener.getConnections.bind(listener))()),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

async function answersWithin(connection: NatsConnection, timeoutMs: number): Promise<boolean> {
  const answered = connection.rtt().then(
    () => true,
    () => false,
  );
  return Promise.race([answered, delay(timeoutMs, false, { ref: false })]);
}

/** The certificate of the hubs' authority, if machines reach a hub by TLS. */
const hubCaOf = async ({
  leafUrls,
  hubCaFile,
}: Pick<Config, 'leafUrls' | 'hubCaFile'>): Promise<string | undefined> =>
  demandTls(leafUrls) ? readFile(hubCaFile, 'utf8') : undefined;
