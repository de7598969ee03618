/**
 * Whether this browser can seal: it must agree on X25519 keys (Chromium 133, Firefox 130, Safari 17
 * and later, on a secure address), and dispose of them.
 */
export async function canSeal(): Promise<boolean> {
  if (!globalThis.isSecureContext || !('dispose' in Symbol)) return false;
  try {
    await crypto.subtle.generateKey('X25519', false, ['deriveBits']);
    return true;
  } catch {
    return false;
  }
}
