import { Type } from 'typebox';
import { ProviderId, services } from '#bus-schemas';
import { refusalError, trustRefusals } from '#http-api/refusals.ts';
import type { AddressLimiter } from '../limits/address-limiter.ts';
import { type Api, strict } from './api.ts';

const SIGNATURE = '^[A-Za-z0-9_-]{86}$';

/**
 * Routes by which a machine renews the credentials of its leaf node, also after they have expired.
 * They use HTTP, because the bus rejects expired credentials.
 */
export function addRenewalRoutes({
  api,
  strangers,
}: {
  api: Api;
  strangers: AddressLimiter;
}): void {
  const provider = `A${'A'.repeat(55)}`;
  api.route({
    method: 'POST',
    url: '/v1/providers/renewal-nonce',
    group: 'Machines',
    access: 'public',
    summary: 'Get the nonce that a machine signs to renew its credentials',
    body: Type.Object({ provider: ProviderId }, strict),
    example: { body: { provider } },
    reply: Type.Object({
      nonce: Type.String({ description: 'Valid for one minute, for this machine only.' }),
    }),
    handle: async ({ request, body }) => {
      strangers.check(request.ip);
      return api.ask(services.trust.renewalNonce, { provider: body.provider });
    },
  });
  api.route({
    method: 'POST',
    url: '/v1/providers/renew',
    group: 'Machines',
    access: 'public',
    summary: 'Renew the credentials of a leaf node',
    description:
      'The signature is Ed25519, made with the nkey with which the machine enrolled, over the lines "d-inference: renew the leaf credentials", the provider and the nonce, joined by line feeds. The credentials may have expired.',
    body: Type.Object(
      {
        provider: ProviderId,
        nonce: Type.String({ maxLength: 128 }),
        signature: Type.String({ pattern: SIGNATURE }),
      },
      strict,
    ),
    example: { body: { provider, nonce: '1767225600000.AAAA', signature: 'A'.repeat(86) } },
    reply: Type.Object({ user_jwt: Type.String(), leaf_urls: Type.Array(Type.String()) }),
    handle: async ({ request, body }) => {
      strangers.check(request.ip);
      const signature = new Uint8Array(Buffer.from(body.signature, 'base64url'));
      const renewed = await api.ask(services.trust.renew, {
        provider: body.provider,
        nonce: body.nonce,
        signature,
      });
      if (renewed.ok) return { user_jwt: renewed.userJwt, leaf_urls: renewed.leafUrls };
      strangers.count(request.ip);
      throw refusalError(trustRefusals.renew[renewed.code]);
    },
  });
}
