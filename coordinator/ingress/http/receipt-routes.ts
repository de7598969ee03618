import { JobId, PrintedReceipt, services } from '#bus-schemas';
import { Type } from '#bus-schemas/type.ts';
import { refusalError, settlementRefusals } from '#http-api/refusals.ts';
import type { Api } from './api.ts';
import { callerOf } from './authenticate.ts';

/**
 * Routes for receipts: the work and its cost, signed by the provider and by this network. A person
 * can keep them, and verify them without the network.
 */
export function addReceiptRoutes(api: Api): void {
  api.route({
    method: 'GET',
    url: '/v1/receipts/:job',
    group: 'Money',
    access: 'keyOrUser',
    summary: 'The signed receipt of one request',
    description:
      'The id is the `X-Inference-Job-ID` of the answer. The receipt exists about a second after the end of the answer. The provider signs its work, also for streams that were cut short; the coordinator signs that and the price. `dinf verify receipt` verifies both offline.',
    params: Type.Object({ job: JobId }),
    reply: PrintedReceipt,
    example: { path: '/v1/receipts/job_0123456789abcdefghijkl' },
    handle: async ({ request, params }) => {
      const { account, key } = callerOf(request);
      const answer = await api.ask(services.settlement.receipt, {
        account,
        job: params.job,
        ...(key && { key: key.key }),
      });
      if (answer.ok) return answer.receipt;
      throw refusalError(settlementRefusals.receipt[answer.code]);
    },
  });
  api.route({
    method: 'GET',
    url: '/v1/receipt-keys',
    group: 'Money',
    access: 'public',
    summary: 'The keys that countersign receipts',
    reply: Type.Object({
      keys: Type.Array(Type.String(), {
        description: 'Ed25519, in hexadecimal; the current key comes first.',
      }),
    }),
    handle: () => api.ask(services.settlement.receiptKeys, {}),
  });
}
