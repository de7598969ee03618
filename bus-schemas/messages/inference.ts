import { type Static, Type } from 'typebox';
import { Bytes, defineMessage } from '../codec.ts';
import { Finish, Usage } from './vocabulary.ts';

/** What stands inside the seals: the only messages that hold prompts and completions. They exist in an ingress and in a provider, nowhere between. */

const content = Type.Union([Type.String(), Type.Null(), Type.Array(Type.Object({ type: Type.String({ maxLength: 64 }) }), { maxItems: 1024 })]);

const request = Type.Object({
  /** The chat contract: other surfaces are lowered to it at the ingress. Fields that we do not know pass through. */
  chat: Type.Object({
    messages: Type.Array(Type.Object({ role: Type.String({ maxLength: 64 }), content: Type.Optional(content) }), { minItems: 1, maxItems: 10_000 }),
    max_tokens: Type.Integer({ minimum: 1, maximum: 10_000_000 }),
    stop: Type.Optional(Type.Array(Type.String({ maxLength: 1024 }), { maxItems: 16 })),
    seed: Type.Optional(Type.Integer()),
    temperature: Type.Optional(Type.Number()),
    top_p: Type.Optional(Type.Number()),
  }),
});
export type InferenceRequest = Static<typeof request>;
export const MAX_REQUEST_BYTES = 16 * 1024 * 1024;

const event = Type.Union([
  /** Text, and how many tokens it took: coalesced tokens come as one event. */
  Type.Object({ k: Type.Literal('text'), text: Type.String(), tokens: Type.Integer({ minimum: 1, maximum: 100_000 }) }),
  Type.Object({
    k: Type.Literal('end'),
    finish: Finish,
    usage: Usage,
    requestHash: Bytes({ min: 32, max: 32 }),
    responseHash: Bytes({ min: 32, max: 32 }),
  }),
]);
export type InferenceEvent = Static<typeof event>;

const frame = Type.Object({ events: Type.Array(event, { minItems: 1, maxItems: 256 }) });
export type FrameContent = Static<typeof frame>;
export const FrameContent = defineMessage('frame-content', frame);
export const InferenceRequest = defineMessage('inference-request', request, MAX_REQUEST_BYTES);
