import { Type } from 'typebox';
import { type Api, orNull } from './api.ts';

/** The data with which the leaf of a machine reaches the hubs. None of it is secret. */
export interface HubAddresses {
  readonly leafUrls: readonly string[];
  /** Certificate of the authority of the hubs, in PEM; undefined if the hubs have no TLS. */
  readonly hubCa: string | undefined;
}

/**
 * Machines read this route at each start, so that they find hubs that were added since they
 * enrolled. It comes over HTTPS, so that an attacker on the path cannot name a hub of their own.
 */
export function addHubsRoute(api: Api, deps: { readonly hubs: HubAddresses }): void {
  api.route({
    method: 'GET',
    url: '/v1/providers/hubs',
    group: 'Machines',
    who: 'anybody',
    summary: 'Addresses of the hubs, and the certificate of their authority',
    reply: Type.Object({
      leaf_urls: Type.Array(Type.String()),
      hub_ca: orNull(
        Type.String({
          description:
            'Certificate in PEM of the only authority that a machine may trust for hubs whose address begins with tls://.',
        }),
      ),
    }),
    handle: async () => {
      const { leafUrls, hubCa } = deps.hubs;
      return { leaf_urls: [...leafUrls], hub_ca: hubCa ?? null };
    },
  });
}
