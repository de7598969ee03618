import { chat } from './chat.ts';
import { completions } from './completions.ts';
import { messages } from './messages.ts';
import { responses } from './responses.ts';
import type { Surface } from './surface.ts';

/** Every way to ask, at the ingress and at a customer's proxy. */
export const surfaces: readonly Surface[] = [chat, responses, completions, messages];
