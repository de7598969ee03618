import type { FastifyRequest } from 'fastify';
import { Type } from '#bus-schemas/type.ts';
import type { Bus } from '#coordinator/bus.ts';
import { invalid } from '#http-api/core/json.ts';
import { storedItem } from '../stored/conversations.ts';
import { StoredContents } from '../stored/stored-contents.ts';
import { readResponse } from '../stored/stored-responses.ts';
import type { Api } from './api.ts';
import { contentKeysOf } from './authenticate.ts';
import { ItemPage, ItemsQuery, LooseObject, pageOf } from './item-pages.ts';

const params = Type.Object({ id: Type.String() });

interface ResponseRoutesDeps {
  readonly bus: Bus;
  readonly now: () => number;
}

/** Routes for responses that were stored with `store: true` or run with `background: true`. */
export function addResponseRoutes(api: Api, deps: ResponseRoutesDeps): void {
  const contentsOf = (request: FastifyRequest) => new StoredContents(deps, contentKeysOf(request));
  const common = { group: 'Inference', access: 'key', params } as const;
  api.route({
    ...common,
    method: 'GET',
    url: '/v1/responses/:id',
    summary: 'A stored response',
    description:
      'The status of a response in the background is `in_progress` until it is `completed`, `incomplete`, `failed` or `cancelled`. It is `failed` at most 30 seconds after its server ended. Only the API key that created a response can read it; it is deleted after 30 days.',
    reply: LooseObject,
    handle: async ({ request, params: { id } }) =>
      (await readResponse(id, contentsOf(request))).response,
  });
  api.route({
    ...common,
    method: 'GET',
    url: '/v1/responses/:id/input_items',
    summary: 'The input of a stored response, with the conversation before it',
    query: ItemsQuery,
    reply: ItemPage,
    handle: async ({ request, params: { id }, query }) => {
      const { items } = await readResponse(id, contentsOf(request));
      const name = id.slice('resp_'.length);
      return pageOf(
        items.map((item, index) => storedItem(item, `${name}_in_${index}`)),
        query,
      );
    },
  });
  api.route({
    ...common,
    method: 'DELETE',
    url: '/v1/responses/:id',
    summary: 'Delete a stored response',
    description: 'A response that runs in the background is ended, as by a cancellation.',
    reply: Type.Object({
      id: Type.String(),
      object: Type.Literal('response'),
      deleted: Type.Boolean(),
    }),
    handle: async ({ request, params: { id } }) => {
      const contents = contentsOf(request);
      await readResponse(id, contents);
      await contents.delete(id);
      return { id, object: 'response' as const, deleted: true };
    },
  });
  api.route({
    ...common,
    method: 'POST',
    url: '/v1/responses/:id/cancel',
    summary: 'Cancel a response that runs in the background',
    description:
      'Its machine stops, and the tokens that had arrived are charged; they are the output of the response a moment later. A response that has ended stays as it is.',
    reply: LooseObject,
    handle: async ({ request, params: { id } }) => {
      const contents = contentsOf(request);
      const { response } = await readResponse(id, contents);
      if (response['background'] !== true)
        throw invalid(
          'response_id',
          'Only a response in the background can be cancelled. Close the connection of any other one.',
        );
      if (response['status'] !== 'in_progress') return response;
      await contents.cancel(id);
      return (await readResponse(id, contents)).response;
    },
  });
}
