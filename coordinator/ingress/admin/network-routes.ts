import { hex, services } from '#bus-schemas';
import { Type } from '#bus-schemas/type.ts';
import type { Bus } from '#coordinator/bus.ts';
import { asTime, LIST, listOf, orNull } from '../http/api.ts';
import type { AdminApi } from './admin-api.ts';
import { reportStreams } from './stream-report.ts';

export interface NetworkRoutesDeps {
  readonly admin: AdminApi;
  readonly bus: Bus;
  /** What is missing before requests can be served. */
  readonly missing: () => Promise<readonly string[]>;
  /** Faults that do not stop requests. */
  readonly degraded: () => Promise<readonly string[]>;
}

/** Routes for the parts that all components share: faults, hubs and streams, releases and the log. */
export function addNetworkRoutes({ admin, bus, missing, degraded }: NetworkRoutesDeps): void {
  admin.read({
    url: '/admin/faults',
    summary: 'What is missing or degraded in the network',
    description: '`/readyz` has the same, without a key.',
    reply: Type.Object({ missing: Type.Array(Type.String()), degraded: Type.Array(Type.String()) }),
    handle: async () => ({ missing: [...(await missing())], degraded: [...(await degraded())] }),
  });
  admin.read({
    url: '/admin/hubs',
    summary: 'The hubs that answer now',
    reply: listOf(
      Type.Object({
        name: Type.String(),
        version: Type.String(),
        started_at: Type.String(),
        connections: Type.Integer(),
        leaves: Type.Integer({ description: 'Connections of machines.' }),
        slow_consumers: Type.Integer({
          description: 'Connections that the hub closed because they read too slowly.',
        }),
        memory_bytes: Type.Integer(),
      }),
    ),
    handle: async () => {
      const { hubs } = await admin.ask(services.trust.hubs, {});
      return {
        object: LIST,
        data: hubs.map((hub) => ({
          name: hub.name,
          version: hub.version,
          started_at: asTime(hub.startedAt),
          connections: hub.connections,
          leaves: hub.leaves,
          slow_consumers: hub.slowConsumers,
          memory_bytes: hub.memoryBytes,
        })),
      };
    },
  });
  admin.read({
    url: '/admin/streams',
    summary: 'The streams of JetStream, and how far their copies and readers are behind',
    reply: listOf(
      Type.Object({
        stream: Type.String(),
        messages: Type.Integer(),
        bytes: Type.Integer(),
        maximum_bytes: Type.Integer(),
        failing: orNull(
          Type.Object(
            {
              error: Type.String(),
              seconds: Type.Integer({ description: 'Time without a stored message.' }),
            },
            { description: 'Why this ingress cannot store messages.' },
          ),
        ),
        leader: orNull(
          Type.String({ description: 'The hub that writes it; null while the hubs choose one.' }),
        ),
        copies: Type.Array(
          Type.Object({ hub: Type.String(), current: Type.Boolean(), lag: Type.Integer() }),
        ),
        readers: Type.Array(
          Type.Object({
            reader: Type.String(),
            waiting: Type.Integer({ description: 'Messages that were not delivered yet.' }),
            unacknowledged: Type.Integer(),
          }),
        ),
      }),
    ),
    handle: async () => {
      const failing = new Map(bus.failingStreams().map((each) => [each.stream, each]));
      const streams = await reportStreams(bus);
      return {
        object: LIST,
        data: streams.map(({ maximumBytes, leader, copies, readers, ...report }) => {
          const failure = failing.get(report.stream);
          return {
            ...report,
            readers: [...readers],
            maximum_bytes: maximumBytes,
            failing: failure
              ? { error: failure.error, seconds: Math.round(failure.forMs / 1_000) }
              : null,
            leader: leader ?? null,
            copies: copies.map(({ hub, isCurrent, lag }) => ({ hub, current: isCurrent, lag })),
          };
        }),
      };
    },
  });
  admin.read({
    url: '/admin/releases',
    summary: 'The releases that machines may run, and the head of the transparency log',
    reply: Type.Object({
      releases: Type.Array(
        Type.Object({
          version: Type.String(),
          code_hash: Type.String(),
          added_at: Type.String(),
          withdrawn_at: orNull(Type.String()),
        }),
      ),
      log: Type.Object({
        entries: Type.Integer(),
        root: Type.String(),
        key: Type.String(),
        at: Type.String(),
      }),
    }),
    handle: async () => {
      const [{ releases }, head] = await Promise.all([
        admin.ask(services.releases.list, {}),
        admin.ask(services.transparency.head, {}),
      ]);
      return {
        releases: releases.map(({ version, codeHash, addedAt, withdrawnAt }) => ({
          version,
          code_hash: hex(codeHash),
          added_at: asTime(addedAt),
          withdrawn_at: withdrawnAt === undefined ? null : asTime(withdrawnAt),
        })),
        log: {
          entries: head.size,
          root: hex(head.root),
          key: hex(head.key),
          at: asTime(head.at),
        },
      };
    },
  });
}
