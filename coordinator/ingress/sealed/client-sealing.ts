import {
  FINISH_FAILURES,
  MAX_PART_BYTES,
  MAX_PARTS,
  type Outline,
  SEAL_OVERHEAD_BYTES,
  X25519_KEY_BYTES,
} from '#bus-schemas';
import {
  type AttemptSealing,
  type Frame,
  ProtocolViolation,
  type Reading,
} from '../attempt-sealing.ts';
import { SEALED_BOUNDS } from '../core/answer-bounds.ts';

/** Largest size of a sealed request, in bytes, for a request of `bytes` bytes. */
export const sealedBytes = (bytes: number): number =>
  X25519_KEY_BYTES +
  bytes +
  SEAL_OVERHEAD_BYTES * Math.ceil(bytes / (MAX_PART_BYTES - SEAL_OVERHEAD_BYTES));

/**
 * The sealing of an attempt in blind mode: the client sealed the request and will open the answer.
 * The ingress can see only the size of a frame and the outline that the provider sends with it.
 */
export class ClientSealing implements AttemptSealing {
  readonly outlined = true;
  readonly receiptSalt = undefined;
  readonly bounds = SEALED_BOUNDS;
  readonly enc: Uint8Array;
  readonly parts: readonly Uint8Array[];

  private constructor(enc: Uint8Array, parts: readonly Uint8Array[]) {
    this.enc = enc;
    this.parts = parts;
  }

  /**
   * Splits a body: `enc`, then the sealed parts, all but the last of the largest size. Undefined if
   * the body has another form.
   */
  static from(body: Uint8Array): ClientSealing | undefined {
    const sealed = body.subarray(X25519_KEY_BYTES);
    const count = Math.ceil(sealed.length / MAX_PART_BYTES);
    if (count < 1 || count > MAX_PARTS) return undefined;
    const parts = Array.from({ length: count }, (_, part) =>
      sealed.subarray(part * MAX_PART_BYTES, (part + 1) * MAX_PART_BYTES),
    );
    return new ClientSealing(body.subarray(0, X25519_KEY_BYTES), parts);
  }

  readDetail(): undefined {
    return undefined;
  }

  read({ seq, sealed, outline }: Frame): Reading {
    if (outline === undefined)
      throw new ProtocolViolation('a frame has no outline although the order demands outlines');
    const { tokens, end } = outline;
    if (tokens === 0 && end === undefined)
      throw new ProtocolViolation('a frame contains neither tokens nor an end');
    return {
      pieces: isForClient(outline) ? [{ k: 'sealed', seq, sealed, tokens, end }] : [],
      tokens,
      bytes: sealed.length,
      size: sealed.length,
      end,
    };
  }
}

/**
 * Whether a frame is for the client. The end of an attempt that failed without content is not,
 * because another provider takes over.
 */
const isForClient = ({ tokens, end }: Outline): boolean =>
  tokens > 0 || (end !== undefined && FINISH_FAILURES[end.finish] === undefined);
