import sodium from 'libsodium-wrappers';

/**
 * Notes each message that this process seals. Two messages under one key and number would reveal
 * the XOR of their texts to a hub that reads both.
 */
export async function watchSeals(onRepeated: (text: string) => void): Promise<() => void> {
  await sodium.ready;
  const seal = sodium.crypto_aead_chacha20poly1305_ietf_encrypt;
  const used = new Set<string>();
  sodium.crypto_aead_chacha20poly1305_ietf_encrypt = ((...parameters: Parameters<typeof seal>) => {
    const [, , , number, key] = parameters;
    const name = Buffer.concat([key, number]).toString('latin1');
    if (used.has(name)) onRepeated('a key sealed twice under one number');
    used.add(name);
    return seal(...parameters);
  }) as typeof seal;
  return () => used.clear();
}
