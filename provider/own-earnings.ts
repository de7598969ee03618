import { join } from 'node:path';
import { earningsText, Nkey } from '#bus-schemas';
import { checkerOf } from '#bus-schemas/platform.ts';
import { readIfThere } from '#bus-schemas/saved-file.ts';
import { type Static, Type } from '#bus-schemas/type.ts';
import { CoordinatorError, callCoordinator } from './coordinator-call.ts';
import { EnrolError, readEnrolment } from './identity.ts';

const count = Type.Integer({ minimum: 0 });
const earnedFor = {
  model: Type.String(),
  prompt_tokens: count,
  completion_tokens: count,
  amount_micro_usd: count,
};
const OwnEarnings = Type.Object({
  /** By day of UTC and model, newest first. */
  days: Type.Array(Type.Object({ day: Type.String(), jobs: count, ...earnedFor })),
  /** The last paid jobs, newest first. */
  jobs: Type.Array(Type.Object({ job_id: Type.String(), at: Type.String(), ...earnedFor })),
  /** What the network decided to pay beside the answers, also zero; newest day first. */
  rewards: Type.Array(
    Type.Object({
      day: Type.String(),
      /** Null for a base reward. */
      promotion: Type.Union([Type.String(), Type.Null()]),
      amount_micro_usd: count,
      is_paid: Type.Boolean(),
      because: Type.Union([Type.String(), Type.Null()]),
    }),
  ),
});
export type OwnEarnings = Static<typeof OwnEarnings>;

/**
 * Reads from the coordinator what this machine earned in the last 31 days. The request is signed
 * with the machine's own key, so its owner need not sign in here. Throws if the coordinator does
 * not answer.
 */
export async function ownEarnings(home: string): Promise<OwnEarnings> {
  const [enrolment, seed] = await Promise.all([
    readEnrolment(home),
    readIfThere(join(home, 'user.nk')),
  ]);
  if (enrolment?.coordinatorUrl === undefined || seed === undefined)
    throw new EnrolError(
      'not_enrolled',
      `${home} holds no enrolled machine. "dinf provider start --link" enrols it.`,
    );
  const { provider, coordinatorUrl } = enrolment;
  const { nonce } = await callCoordinator<{ nonce: string }>(
    coordinatorUrl,
    '/v1/providers/renewal-nonce',
    { provider },
  );
  const signature = Nkey.fromSeed(seed).sign(earningsText(provider, nonce));
  const answer = await callCoordinator<object>(coordinatorUrl, '/v1/providers/earnings', {
    provider,
    nonce,
    signature: Buffer.from(signature).toString('base64url'),
  });
  // A coordinator of an older version sends no rewards.
  const earnings = { rewards: [], ...answer };
  if (!checkerOf(OwnEarnings).Check(earnings))
    throw new CoordinatorError(200, 'The coordinator sent earnings in a form that is not known.');
  return earnings;
}
