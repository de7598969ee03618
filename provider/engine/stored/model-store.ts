import { createHash } from 'node:crypto';
import { hex } from '#bus-schemas';
import type { DecoderModel } from '../../models/model.ts';
import { type Backend, PAGE_TOKENS, unitBytesOf } from '../decoders/decoder.ts';
import type { UnitStore } from '../scheduling/stored-prefixes.ts';
import type { PrefixStore } from './prefix-store.ts';

/** Raise it when a decoder stores keys, values or states in another order or with other numbers. */
const CACHE_FORMAT = 1;

interface MadeBy {
  readonly model: DecoderModel & { readonly digest: Uint8Array };
  readonly backend: Pick<Backend, 'name' | 'device' | 'cacheNumberBytes'>;
  /** Version of this program. */
  readonly version: string;
}

export interface ModelStore extends UnitStore {
  /**
   * Names of the files without which a prompt with these pages is computed again: those of its first and
   * last page, and of the state after it. Files of pages between them are seldom deleted alone.
   */
  filesOf(pages: readonly string[]): string[];
}

/**
 * The part of a store that belongs to one model on one engine. Other weights, another version, another
 * engine or another processor compute other numbers, so they find nothing in it.
 */
export function modelStore(store: PrefixStore, { model, backend, version }: MadeBy): ModelStore {
  const unitBytes = unitBytesOf(model, backend);
  const hasStates = unitBytes.state > 0;
  const made = [
    CACHE_FORMAT,
    version,
    hex(model.digest),
    backend.name,
    backend.device,
    PAGE_TOKENS,
    unitBytes,
  ];
  const maker = createHash('sha256').update(JSON.stringify(made)).digest('base64url');
  return {
    get isWritable() {
      return store.isWritable;
    },
    has: (kind, digest) => store.has({ kind, digest, maker }),
    read: (kind, digest) => store.read({ kind, digest, maker }),
    write: (kind, digest, unit) => store.write({ kind, digest, maker }, unit),
    filesOf: (pages) => {
      const [first, last] = [pages[0], pages.at(-1)];
      if (first === undefined || last === undefined) return [];
      const files = [
        store.fileOf({ kind: 'page', digest: first, maker }),
        store.fileOf({ kind: 'page', digest: last, maker }),
      ];
      if (hasStates) files.push(store.fileOf({ kind: 'state', digest: last, maker }));
      return [...new Set(files)];
    },
  };
}
