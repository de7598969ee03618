const SEQUENCE = 0x30;
const INTEGER = 0x02;
const NUMBER_BYTES = 32;

/**
 * Converts an ECDSA signature of P-256 from DER, as Apple and OpenSSL return it, to r and s of 32
 * bytes each.
 * Returns undefined for anything else, including encodings that are not canonical DER: otherwise
 * one signature could be written in several ways.
 */
export function rawSignature(der: Uint8Array): Uint8Array | undefined {
  // Lengths above 127 take two bytes in DER. Two numbers of 256 bits are always shorter.
  if (der[0] !== SEQUENCE || der[1] !== der.length - 2 || der.length > 127) return undefined;
  const r = numberAt(der, 2);
  const s = r && numberAt(der, r.end);
  if (!r || !s || s.end !== der.length) return undefined;
  const raw = new Uint8Array(2 * NUMBER_BYTES);
  raw.set(r.digits, NUMBER_BYTES - r.digits.length);
  raw.set(s.digits, 2 * NUMBER_BYTES - s.digits.length);
  return raw;
}

/** Converts r and s of 32 bytes each to canonical DER. */
export function derSignature(raw: Uint8Array): Uint8Array {
  const r = digitsOf(raw.subarray(0, NUMBER_BYTES));
  const s = digitsOf(raw.subarray(NUMBER_BYTES));
  return Uint8Array.from([SEQUENCE, r.length + s.length, ...r, ...s]);
}

/** A number in DER: without leading zeros, except one before a bit that would mark it as negative. */
function digitsOf(number: Uint8Array): number[] {
  const first = number.findIndex((byte) => byte !== 0);
  const digits = number.subarray(first === -1 ? NUMBER_BYTES - 1 : first);
  const sign = (digits[0] ?? 0) > 127 ? [0] : [];
  return [INTEGER, sign.length + digits.length, ...sign, ...digits];
}

/** Reads a number of 1 to 256 bits, without the leading zero byte that marks it as positive. */
function numberAt(der: Uint8Array, start: number): { digits: Uint8Array; end: number } | undefined {
  const length = der[start + 1] ?? 0;
  const end = start + 2 + length;
  if (der[start] !== INTEGER || length === 0 || end > der.length) return undefined;
  const [first = 0, second = 0] = der.subarray(start + 2, end);
  // Rejects negative numbers, zero, and unnecessary leading zeros.
  if (first > 127 || (first === 0 && second < 128)) return undefined;
  const digits = der.subarray(start + (first === 0 ? 3 : 2), end);
  return digits.length <= NUMBER_BYTES ? { digits, end } : undefined;
}
