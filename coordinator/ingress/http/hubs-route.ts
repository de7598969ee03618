import { Type } from '#bus-schemas/type.ts';
import { type Api, orNull } from './api.ts';

/** The data with which the leaf of a machine reaches the hubs. None of it is secret. */
export interface HubAddresses {
  readonly leafUrls: readonly string[];
  /**
   * Certificates of the authorities of the hubs, in PEM; undefined if the hubs have no TLS. They are
   * read for each call, because a rotation changes them while the ingress runs.
   */
  readonly hubCa: () => Promise<string | undefined>;
}

/**
 * Machines read this route at each start, every ten minutes, and more often while they have no link,
 * so that they find hubs that were added since they enrolled, and the next authority of the hubs
 * before it signs. It comes over HTTPS, so that an attacker on the path cannot name a hub of their
 * own.
 */
export function addHubsRoute(api: Api, deps: { readonly hubs: HubAddresses }): void {
  api.route({
    method: 'GET',
    url: '/v1/providers/hubs',
    group: 'Machines',
    access: 'public',
    summary: 'Addresses of the hubs, and the certificate of their authority',
    reply: Type.Object({
      leaf_urls: Type.Array(Type.String()),
      hub_ca: orNull(
        Type.String({
          description:
            'Certificates in PEM of the only authorities that a machine may trust for hubs whose address begins with tls://. There are two while the authority is being rotated.',
        }),
      ),
    }),
    handle: async () => {
      const { leafUrls, hubCa } = deps.hubs;
      return { leaf_urls: [...leafUrls], hub_ca: (await hubCa()) ?? null };
    },
  });
}
