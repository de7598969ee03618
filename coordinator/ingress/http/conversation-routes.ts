import type { FastifyRequest } from 'fastify';
import { randomToken } from '#bus-schemas';
import { Type } from '#bus-schemas/type.ts';
import type { Bus } from '#coordinator/bus.ts';
import type { JsonObject } from '#http-api/core/json.ts';
import { ApiError } from '#http-api/errors.ts';
import {
  appendItems,
  changeConversation,
  newConversationId,
  storedItem,
} from '../stored/conversations.ts';
import { StoredContents } from '../stored/stored-contents.ts';
import type { StoredConversation } from '../stored/stored-responses.ts';
import { type Api, optional } from './api.ts';
import { contentKeysOf } from './authenticate.ts';
import { ItemPage, ItemsQuery, LooseObject, pageOf } from './item-pages.ts';

const id = Type.String();
const ofConversation = Type.Object({ id });
const ofItem = Type.Object({ id, item: Type.String({ maxLength: 128 }) });
/** Most items that one request may add. */
const MAX_ADDED = 100;
const Items = Type.Array(LooseObject, { maxItems: MAX_ADDED });
const Metadata = Type.Record(Type.String({ maxLength: 64 }), Type.String({ maxLength: 512 }), {
  maxProperties: 16,
});
const Conversation = Type.Object({
  id: Type.String(),
  object: Type.Literal('conversation'),
  created_at: Type.Integer(),
  metadata: LooseObject,
});
const MAX_BODY_BYTES = 1_024 * 1_024;

interface ConversationRoutesDeps {
  readonly bus: Bus;
  readonly now: () => number;
}

/** Routes for conversations, to which responses add their items. */
export function addConversationRoutes(api: Api, deps: ConversationRoutesDeps): void {
  const contentsOf = (request: FastifyRequest) => new StoredContents(deps, contentKeysOf(request));
  const common = { group: 'Inference', access: 'key' } as const;
  const created = (metadata: JsonObject) => ({
    id: newConversationId(),
    object: 'conversation' as const,
    created_at: Math.floor(deps.now() / 1_000),
    metadata,
  });
  api.route({
    ...common,
    method: 'POST',
    url: '/v1/conversations',
    summary: 'Create a conversation',
    description:
      'A response with `conversation` continues it, and adds its own input and output. Only the API key that created a conversation can use it; it is deleted 30 days after its last change.',
    bodyLimit: MAX_BODY_BYTES,
    body: Type.Object({
      items: optional(Type.Union([Items, Type.Null()])),
      metadata: optional(Type.Union([Metadata, Type.Null()])),
    }),
    reply: Conversation,
    example: { body: { items: [{ type: 'message', role: 'user', content: 'Hello' }] } },
    handle: async ({ request, body: { items, metadata } }) => {
      const conversation = created(metadata ?? {});
      const content = {
        conversation,
        items: (items ?? []).map((item) => storedItem(item, randomToken(24))),
      };
      await contentsOf(request).put({ id: conversation.id, version: 0, content });
      return conversation;
    },
  });
  const read = async (request: FastifyRequest, name: string) =>
    (await contentsOf(request).read<StoredConversation>('conv', name)).content;
  api.route({
    ...common,
    method: 'GET',
    url: '/v1/conversations/:id',
    summary: 'A conversation',
    params: ofConversation,
    reply: Conversation,
    handle: async ({ request, params }) => (await read(request, params.id)).conversation,
  });
  api.route({
    ...common,
    method: 'POST',
    url: '/v1/conversations/:id',
    summary: 'Change the metadata of a conversation',
    params: ofConversation,
    body: Type.Object({ metadata: Metadata }),
    reply: Conversation,
    example: { body: { metadata: { topic: 'greetings' } } },
    handle: async ({ request, params, body: { metadata } }) =>
      (
        await changeConversation(contentsOf(request), params.id, (before) => ({
          ...before,
          conversation: { ...before.conversation, metadata },
        }))
      ).conversation,
  });
  api.route({
    ...common,
    method: 'DELETE',
    url: '/v1/conversations/:id',
    summary: 'Delete a conversation and its items',
    params: ofConversation,
    reply: Type.Object({
      id: Type.String(),
      object: Type.Literal('conversation.deleted'),
      deleted: Type.Boolean(),
    }),
    handle: async ({ request, params }) => {
      const contents = contentsOf(request);
      await contents.read('conv', params.id);
      await contents.delete(params.id);
      return { id: params.id, object: 'conversation.deleted' as const, deleted: true };
    },
  });
  api.route({
    ...common,
    method: 'GET',
    url: '/v1/conversations/:id/items',
    summary: 'The items of a conversation',
    params: ofConversation,
    query: ItemsQuery,
    reply: ItemPage,
    handle: async ({ request, params, query }) =>
      pageOf((await read(request, params.id)).items, query),
  });
  api.route({
    ...common,
    method: 'POST',
    url: '/v1/conversations/:id/items',
    summary: 'Add items to a conversation',
    params: ofConversation,
    bodyLimit: MAX_BODY_BYTES,
    body: Type.Object({ items: Items }),
    reply: ItemPage,
    example: {
      body: { items: [{ type: 'message', role: 'user', content: 'Hello' }] },
    },
    handle: async ({ request, params, body: { items } }) => {
      const added = await appendItems(contentsOf(request), params.id, items);
      return pageOf(added, { order: 'asc', limit: MAX_ADDED });
    },
  });
  api.route({
    ...common,
    method: 'GET',
    url: '/v1/conversations/:id/items/:item',
    summary: 'One item of a conversation',
    params: ofItem,
    reply: LooseObject,
    handle: async ({ request, params }) => {
      const { items } = await read(request, params.id);
      const item = items.find((each) => each['id'] === params.item);
      if (item === undefined) throw noItem();
      return item;
    },
  });
  api.route({
    ...common,
    method: 'DELETE',
    url: '/v1/conversations/:id/items/:item',
    summary: 'Remove one item from a conversation',
    params: ofItem,
    reply: Conversation,
    handle: async ({ request, params }) =>
      (
        await changeConversation(contentsOf(request), params.id, (before) => {
          const items = before.items.filter((each) => each['id'] !== params.item);
          if (items.length === before.items.length) throw noItem();
          return { ...before, items };
        })
      ).conversation,
  });
}

const noItem = () => new ApiError('not_found', 'This conversation has no such item.');
