const SEQUENCE = 0x30;
const INTEGER = 0x02;
const NUMBER_BYTES = 32;

/**
 * An ECDSA signature of P-256 as r and s, 32 bytes each, from the DER that Apple gives. Nothing when it is anything else: DER has
 * one way to write a number, and only that is taken.
 */
export function rawSignature(der: Uint8Array): Uint8Array | undefined {
  // A length above 127 would be written in two bytes; two numbers of 256 bits never come to that.
  if (der[0] !== SEQUENCE || der[1] !== der.length - 2 || der.length > 127) return undefined;
  const r = numberAt(der, 2);
  const s = r && numberAt(der, r.end);
  if (!r || !s || s.end !== der.length) return undefined;
  const raw = new Uint8Array(2 * NUMBER_BYTES);
  raw.set(r.digits, NUMBER_BYTES - r.digits.length);
  raw.set(s.digits, 2 * NUMBER_BYTES - s.digits.length);
  return raw;
}

/** A number of 1 to 256 bits, without the zero that keeps its first bit from being a sign. */
function numberAt(der: Uint8Array, start: number): { digits: Uint8Array; end: number } | undefined {
  const length = der[start + 1] ?? 0;
  const end = start + 2 + length;
  if (der[start] !== INTEGER || length === 0 || end > der.length) return undefined;
  const [first = 0, second = 0] = der.subarray(start + 2, end);
  // Negative, zero, or a leading zero that nothing calls for.
  if (first > 127 || (first === 0 && second < 128)) return undefined;
  const digits = der.subarray(start + (first === 0 ? 3 : 2), end);
  return digits.length <= NUMBER_BYTES ? { digits, end } : undefined;
}
