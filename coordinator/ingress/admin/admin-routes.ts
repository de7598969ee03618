import type { Registry } from 'prom-client';
import { services } from '#bus-schemas';
import { Type } from '#bus-schemas/type.ts';
import type { Drain } from '../drain.ts';
import { asTime, LIST, listOf, optional, strict, timeOf, When } from '../http/api.ts';
import { addOperatorAccountRoutes } from './account-routes.ts';
import { addBreakerRoutes, type BreakerRoutesDeps } from './breaker-routes.ts';
import { addCatalogRoutes } from './catalog-routes.ts';
import { addFleetRoutes } from './fleet-routes.ts';
import { addIncidentRoutes, type IncidentRoutesDeps } from './incidents/incident-routes.ts';
import { addModelLifeRoutes } from './model-life-routes.ts';
import { addOperatorMoneyRoutes } from './money-routes.ts';
import { addNetworkRoutes, type NetworkRoutesDeps } from './network-routes.ts';
import { addPeopleRoutes } from './people-routes.ts';
import { addPromotionRoutes } from './promotion-routes.ts';
import { addPublicNameRoutes } from './public-name-routes.ts';
import { addOperatorRewardRoutes } from './reward-routes.ts';
import { addRoutingRoutes, type RoutingRoutesDeps } from './routing-routes.ts';

type AdminParts = RoutingRoutesDeps & NetworkRoutesDeps & IncidentRoutesDeps & BreakerRoutesDeps;

interface AdminDeps extends AdminParts {
  /** Stops this ingress from accepting new requests, or resumes. */
  readonly drain: Pick<Drain, 'begin' | 'cancel'>;
  readonly metrics: Registry;
}

/** Registers all routes of the listener for operators. */
export function addAdminRoutes({
  admin,
  bus,
  cells,
  decisions,
  drain,
  incidents,
  metrics,
  missing,
  degraded,
  now,
}: AdminDeps): void {
  admin.read({
    url: '/admin/audit',
    summary: 'Changes by operators, newest first',
    query: Type.Object(
      { before: optional(When), limit: optional(Type.Integer({ minimum: 1, maximum: 1_000 })) },
      strict,
    ),
    reply: listOf(
      Type.Object({
        id: Type.String(),
        at: Type.String(),
        operator: Type.String(),
        action: Type.String(),
        subject: Type.String(),
        detail: Type.String(),
        outcome: Type.String(),
      }),
    ),
    handle: async ({ query }) => {
      const before = timeOf(query.before, 'before');
      const { rows } = await admin.ask(services.accounts.listAudit, {
        limit: query.limit ?? 100,
        ...(before !== undefined && { before }),
      });
      return { object: LIST, data: rows.map(({ at, ...row }) => ({ ...row, at: asTime(at) })) };
    },
  });
  admin.read({
    url: '/metrics',
    summary: 'Counters of this process, in the text format of Prometheus',
    description:
      'The counters show load and charged amounts, so they need an operator key: Prometheus sends it as its bearer token.',
    reply: Type.String(),
    handle: async ({ reply }) =>
      reply
        .type(metrics.contentType)
        .serializer(String)
        .send(await metrics.metrics()),
  });
  admin.change('drain', {
    method: 'POST',
    url: '/admin/drain',
    summary: 'Stop this ingress from accepting requests, or resume',
    body: Type.Object({ draining: Type.Boolean() }, strict),
    reply: Type.Object({ done: Type.Boolean() }),
    example: { body: { draining: true } },
    handle: async ({ body }) => {
      if (body.draining) drain.begin();
      else drain.cancel();
      return { done: true };
    },
  });
  addFleetRoutes(admin);
  addPublicNameRoutes(admin);
  addRoutingRoutes({ admin, cells, decisions });
  addBreakerRoutes({ admin, cells, now });
  addCatalogRoutes(admin);
  addModelLifeRoutes(admin, now);
  addOperatorAccountRoutes(admin);
  addPeopleRoutes(admin, now);
  addOperatorMoneyRoutes(admin);
  addOperatorRewardRoutes(admin);
  addPromotionRoutes(admin);
  addNetworkRoutes({ admin, bus, missing, degraded });
  addIncidentRoutes({ admin, incidents });
}
