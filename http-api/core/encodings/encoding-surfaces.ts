import { embeddings } from './embeddings.ts';
import type { EncodingSurface } from './encoding-surface.ts';
import { ollamaEmbed, ollamaEmbeddings } from './ollama-embed.ts';
import { rerank } from './rerank.ts';

/** All of them, for the ingress and for the proxy on a customer's machine. */
export const encodingSurfaces: readonly EncodingSurface[] = [
  embeddings,
  rerank,
  ollamaEmbed,
  ollamaEmbeddings,
];
