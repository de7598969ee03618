import crypto, {
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  type webcrypto,
} from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';

/** Random numbers that follow from a seed (the generator `sfc32`). */
export class SeededNumbers {
  readonly #state: Uint32Array;

  /** `use` separates the numbers of one purpose from those of another with the same seed. */
  constructor(seed: number, use: string) {
    const digest = crypto.createHash('sha256').update(`${seed} ${use}`).digest();
    this.#state = new Uint32Array(4);
    for (let index = 0; index < 4; index += 1) this.#state[index] = digest.readUInt32LE(index * 4);
  }

  /** A number of 32 bits. */
  bits(): number {
    const state = this.#state;
    const [a = 0, b = 0, c = 0, d = 0] = state;
    const sum = a + b + d;
    state[3] = d + 1;
    state[0] = b ^ (b >>> 9);
    state[1] = c + (c << 3);
    state[2] = ((c << 21) | (c >>> 11)) + sum;
    return sum >>> 0;
  }

  /** A number from 0 up to, and without, 1. */
  fraction(): number {
    return this.bits() / 2 ** 32;
  }

  between(least: number, most: number): number {
    return least + this.fraction() * (most - least);
  }

  integer(below: number): number {
    return Math.floor(this.fraction() * below);
  }

  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  /** One of the values, of which there must be one at least. */
  one<Value>(of: readonly Value[]): Value {
    return of[this.integer(of.length)] as Value;
  }

  fill(bytes: Uint8Array): void {
    for (let index = 0; index < bytes.length; index += 1) bytes[index] = this.bits() & 0xff;
  }

  bytes(size: number): Buffer {
    const made = Buffer.alloc(size);
    this.fill(made);
    return made;
  }
}

/** The fixed beginning of a private key in DER (RFC 8410), which its 32 bytes follow. */
const DER = {
  ed25519: Buffer.from('302e020100300506032b657004220420', 'hex'),
  x25519: Buffer.from('302e020100300506032b656e04220420', 'hex'),
};

/** Has WebCrypto make the key pairs for sealing out of the same random numbers. */
function installKeyPairs(source: () => SeededNumbers): void {
  const { subtle } = globalThis.crypto;
  const generate = subtle.generateKey.bind(subtle) as (...all: unknown[]) => Promise<unknown>;
  const generateKey = async (
    algorithm: { readonly name: string },
    isExtractable: boolean,
    uses: webcrypto.KeyUsage[],
  ): Promise<unknown> => {
    if (algorithm.name !== 'X25519') return generate(algorithm, isExtractable, uses);
    const pkcs8 = Buffer.concat([DER.x25519, source().bytes(32)]);
    const spki = createPublicKey(
      createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }),
    ).export({ format: 'der', type: 'spki' });
    return {
      privateKey: await subtle.importKey('pkcs8', pkcs8, algorithm, isExtractable, uses),
      publicKey: await subtle.importKey('spki', spki, algorithm, true, []),
    };
  };
  Object.assign(subtle, { generateKey });
}

/**
 * Replaces every source of random numbers in this process, so that a world depends on its seed
 * alone. `source` returns the numbers of the present world.
 */
export function installRandomness(source: () => SeededNumbers): void {
  const fill = <View extends ArrayBufferView>(view: View): View => {
    source().fill(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
    return view;
  };
  const keyPair = (kind: keyof typeof DER): { privateKey: KeyObject; publicKey: KeyObject } => {
    const key = Buffer.concat([DER[kind], source().bytes(32)]);
    const privateKey = createPrivateKey({ key, format: 'der', type: 'pkcs8' });
    return { privateKey, publicKey: createPublicKey(privateKey) };
  };
  const generate = crypto.generateKeyPairSync;
  Math.random = () => source().fraction();
  Object.assign(crypto, {
    randomBytes: (size: number, done?: (error: null, bytes: Buffer) => void) => {
      const bytes = source().bytes(size);
      if (done === undefined) return bytes;
      queueMicrotask(() => done(null, bytes));
      return undefined;
    },
    randomFillSync: fill,
    randomInt: (least: number, most?: number) =>
      most === undefined ? source().integer(least) : least + source().integer(most - least),
    randomUUID: uuid,
    generateKeyPairSync: (kind: string, options: unknown) =>
      kind in DER ? keyPair(kind as keyof typeof DER) : generate(kind as 'rsa', options as never),
  });
  installKeyPairs(source);
  globalThis.crypto.getRandomValues = fill as typeof globalThis.crypto.getRandomValues;
  globalThis.crypto.randomUUID = uuid;
  syncBuiltinESMExports();

  function uuid(): `${string}-${string}-${string}-${string}-${string}` {
    const bytes = source().bytes(16);
    bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
    bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
    const text = bytes.toString('hex');
    return `${text.slice(0, 8)}-${text.slice(8, 12)}-${text.slice(12, 16)}-${text.slice(16, 20)}-${text.slice(20)}`;
  }
}
