import { chat } from './chat.ts';
import { completions } from './completions.ts';
import { messages } from './messages.ts';
import { ollamaChat, ollamaGenerate } from './ollama.ts';
import { responses } from './responses.ts';
import type { Surface } from './surface.ts';

/** All surfaces, for the ingress and for the proxy on a customer's machine. */
export const surfaces: readonly Surface[] = [
  chat,
  responses,
  completions,
  messages,
  ollamaChat,
  ollamaGenerate,
];
