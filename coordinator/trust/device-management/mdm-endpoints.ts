import { timingSafeEqual } from 'node:crypto';
import { type MessageOf, services } from '#bus-schemas';
import { type Endpoint, endpoint } from '#coordinator/bus.ts';
import { hashOf } from '#coordinator/secrets.ts';
import type { DeviceAttestations } from './device-attestations.ts';

type Answer = MessageOf<typeof services.trust.mdmEvent.reply>;

export function mdmEndpoints({
  devices,
  secret,
}: {
  devices: DeviceAttestations;
  secret: string | undefined;
}): Endpoint[] {
  return [
    endpoint(services.trust.assignDevice, async ({ provider, serial }) => ({
      assigned: await devices.assign(provider, serial),
    })),
    endpoint(services.trust.mdmEvent, async (request): Promise<Answer> => {
      if (secret === undefined) return { ok: false, code: 'not_configured' };
      // Both digests have the same length, so the time of the comparison reveals nothing about the
      // secret.
      if (!timingSafeEqual(hashOf(request.secret), hashOf(secret)))
        return { ok: false, code: 'bad_secret' };
      const outcome = await devices.receive(request.body);
      return outcome === 'malformed' ? { ok: false, code: 'bad_event' } : { ok: true, outcome };
    }),
  ];
}
