import type { Backend } from './decoder.ts';

/** What runs decoders here, or why it does not. */
export type BackendOrReason = { readonly backend: Backend } | { readonly reason: string };
