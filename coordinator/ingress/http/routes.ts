import type { FastifyInstance } from 'fastify';
import type { Bus } from '#coordinator/bus.ts';
import { addCountRoutes } from '#http-api/count-routes.ts';
import type { AskedPrices } from '../asked-prices.ts';
import type { CatalogCache } from '../catalog-cache.ts';
import { addEventRoute } from '../console/live/event-route.ts';
import type { LiveFeed } from '../console/live/live-feed.ts';
import { addOidcRoutes, type OidcRoutesDeps } from '../console/oidc/oidc-routes.ts';
import { addPageRoutes } from '../console/page-routes.ts';
import { addSessionRoutes } from '../console/session-routes.ts';
import type { KeyCache } from '../identity/key-cache.ts';
import type { SessionCache } from '../identity/session-cache.ts';
import { addInstallRoutes, type InstallDeps } from '../install/install-routes.ts';
import type { AddressLimiter } from '../limits/address-limiter.ts';
import type { GuessLimiter } from '../limits/guess-limiter.ts';
import { addResponseSocket, type ResponseSocketDeps } from '../websocket/response-socket.ts';
import { addAccountRoutes } from './account-routes.ts';
import { Api } from './api.ts';
import { addBatchRoutes } from './batch-routes.ts';
import { addBillingRoutes } from './billing-routes.ts';
import { addCodeRoutes } from './code-routes.ts';
import { addConnectionRoutes } from './connection-routes.ts';
import { addConversationRoutes } from './conversation-routes.ts';
import { addDemandRoute } from './demand-route.ts';
import { addDepositRoutes } from './deposit-routes.ts';
import { addEncodingRoutes } from './encoding-routes.ts';
import { addFileRoutes } from './file-routes.ts';
import { addGenerationRoute } from './generation-route.ts';
import { addHealthRoutes } from './health-routes.ts';
import { addHubsRoute, type HubAddresses } from './hubs-route.ts';
import type { InferenceDeps } from './inference-exchange.ts';
import { addInferenceRoutes } from './inference-routes.ts';
import { addKeysRoutes } from './keys-routes.ts';
import { addLeaderboardRoutes } from './leaderboard-routes.ts';
import { addMachinesRoutes } from './machines-routes.ts';
import { addMessageBatchRoutes } from './message-batch-routes.ts';
import { addModelsRoutes } from './models-routes.ts';
import { addMoneyRoutes } from './money-routes.ts';
import { addOllamaRoutes } from './ollama-routes.ts';
import { addCreditsRoute } from './open-router-routes.ts';
import { addOwnMachineRoutes } from './own-machine-routes.ts';
import { addReceiptRoutes } from './receipt-routes.ts';
import type { RedirectHosts } from './redirect-hosts.ts';
import { addResponseRoutes } from './response-routes.ts';
import { addPromotionRoute, addRewardRoutes } from './reward-routes.ts';
import { addSealedRoutes, type SealedRoutesDeps } from './sealed-routes.ts';
import { addStatsRoute } from './stats-route.ts';
import { addStatusRoute } from './status-route.ts';
import { addStripeRoute } from './stripe-route.ts';
import { type CountDeps, countTokens, readCounted } from './token-counts.ts';
import { addTrustRoutes } from './trust-routes.ts';
import { UsableModels } from './usable-models.ts';

export interface RoutesDeps
  extends InferenceDeps,
    ResponseSocketDeps,
    SealedRoutesDeps,
    CountDeps,
    InstallDeps {
  readonly apiDocument: () => Promise<object>;
  readonly bus: Bus;
  readonly catalog: CatalogCache;
  readonly strangers: AddressLimiter;
  readonly guesses: GuessLimiter;
  readonly keys: KeyCache;
  readonly consoleSessions: SessionCache;
  readonly liveFeed: LiveFeed;
  readonly oidc: OidcRoutesDeps['oidc'];
  readonly linkUrl: string | undefined;
  /** Folder with the built files of the console. */
  readonly consoleFolder: string;
  readonly hubs: HubAddresses;
  readonly redirects: RedirectHosts;
  /** Minimum charge of a request that delivered a token, in micro-dollars. */
  readonly askedPrices: AskedPrices;
  readonly minimumChargeMicroUsd: number;
  /** Seals the keys of batches for all ingresses. */
  readonly ingressKey: Buffer;
  readonly missing: () => Promise<readonly string[]>;
  readonly degraded: () => Promise<readonly string[]>;
}

/** Registers all routes of the public listener. */
export function addRoutes(server: FastifyInstance, deps: RoutesDeps): void {
  const api = new Api(server, deps.auth, deps.bus);
  addHealthRoutes(server, deps);
  addInferenceRoutes(server, deps);
  addEncodingRoutes(server, deps);
  addResponseSocket(server, deps);
  addResponseRoutes(api, deps);
  addConversationRoutes(api, deps);
  addFileRoutes(server, deps);
  addBatchRoutes(api, deps);
  addMessageBatchRoutes(api, deps);
  addCountRoutes(server, {
    onRequest: deps.auth.key,
    read: (call) => readCounted(call, deps.bodies),
    count: (prompt, request) => countTokens(prompt, request, deps),
  });
  addSealedRoutes(api, server, deps);
  const usable = new UsableModels({ ...deps, api });
  addModelsRoutes(api, { ...deps, usable });
  addOllamaRoutes(server, { ...deps, usable });
  addKeysRoutes({ ...deps, api });
  addMoneyRoutes(api, deps);
  addRewardRoutes(api);
  addPromotionRoute(api);
  addCreditsRoute(api);
  addBillingRoutes(api, deps.redirects);
  addDepositRoutes(api);
  addConnectionRoutes(api);
  addGenerationRoute(api);
  addReceiptRoutes(api);
  addTrustRoutes(api);
  addAccountRoutes(api);
  addOwnMachineRoutes(api, deps.catalog);
  addCodeRoutes(api, deps.guesses);
  addMachinesRoutes({ ...deps, api, server });
  addHubsRoute(api, deps);
  addSessionRoutes({ ...deps, api });
  addOidcRoutes({ ...deps, api, server });
  addEventRoute(server, deps);
  addPageRoutes(server, deps.consoleFolder);
  addLeaderboardRoutes(api, deps);
  addStatsRoute(api, deps);
  addDemandRoute(api, deps);
  addStatusRoute(api, { ...deps, usable });
  addStripeRoute(server, deps.bus);
  addInstallRoutes(server, deps);
  server.get('/openapi.json', { schema: { hide: true } }, async (_request, reply) =>
    reply.type('application/json; charset=utf-8').send(JSON.stringify(await deps.apiDocument())),
  );
}
