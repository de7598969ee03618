import * as everything from '../mod.ts';
import { type MessageKind, services } from '../mod.ts';

const isKind = (value: unknown): value is MessageKind<unknown> =>
  typeof value === 'object' &&
  value !== null &&
  'encode' in value &&
  'decode' in value &&
  'kind' in value;

const methods: readonly unknown[] = Object.values(services).flatMap((component) =>
  Object.values(component),
);
const messagesOf = (method: unknown): unknown[] =>
  typeof method === 'object' && method !== null && 'request' in method && 'reply' in method
    ? [method.request, method.reply]
    : [];
const candidates: readonly unknown[] = [
  ...Object.values(everything),
  ...methods.flatMap(messagesOf),
];

/** Every kind of message. */
export const kinds: readonly MessageKind<unknown>[] = candidates.filter(isKind);
