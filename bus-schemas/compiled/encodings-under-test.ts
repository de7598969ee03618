import { Encoder } from '@msgpack/msgpack';

const encoder = new Encoder({ ignoreUndefined: true });

/** Numbers from 0 to less than `below`, in a sequence that a seed determines. */
export type Chance = (below: number) => number;

/**
 * Encodes a value as another program might: with wider numbers and lengths than necessary, with floats
 * for integers, with fields in another order, twice, left out, or unknown.
 */
export function encodedOtherwise(value: unknown, chance: Chance): Uint8Array {
  if (typeof value === 'number' && chance(3) === 0) return number(value, chance);
  if (typeof value === 'string' && chance(3) === 0) return text(value, chance);
  if (value instanceof Uint8Array && chance(3) === 0)
    return Buffer.concat([head([0xc4, 0xc5, 0xc6], value.length, chance), value]);
  if (Array.isArray(value)) {
    const items = value.map((item) => encodedOtherwise(item, chance));
    return Buffer.concat([head([undefined, 0xdc, 0xdd], items.length, chance, 0x90), ...items]);
  }
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array)
    return encoder.encode(value);
  return map(value, chance);
}

function map(value: object, chance: Chance): Uint8Array {
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  const isOdd = chance(4) === 0;
  if (isOdd) {
    const [some] = fields.splice(chance(fields.length + 1), 1);
    if (some !== undefined && chance(2) === 0) fields.push([some[0], chance(300)], some);
    if (chance(3) === 0)
      fields.push([['new', '__proto__', 'constructor', 'é'][chance(4)] as string, chance(300)]);
  }
  if (chance(2) === 0) fields.sort(() => chance(3) - 1);
  const encoded = fields.flatMap(([name, field]) => [
    isOdd && chance(8) === 0 ? number(chance(9), chance) : text(name, chance),
    encodedOtherwise(field, chance),
  ]);
  return Buffer.concat([head([undefined, 0xde, 0xdf], fields.length, chance, 0x80), ...encoded]);
}

function text(value: string, chance: Chance): Uint8Array {
  const bytes = Buffer.from(value);
  const heads = chance(4) === 0 ? [0xd9, 0xda, 0xdb] : [undefined, 0xd9, 0xda, 0xdb];
  return Buffer.concat([head(heads, bytes.length, chance, 0xa0), bytes]);
}

/** The head with the smallest or with another length field. `short` is the one without any. */
function head(
  heads: readonly (number | undefined)[],
  size: number,
  chance: Chance,
  short = 0,
): Uint8Array {
  const shortest = short === 0xa0 ? 0x20 : 0x10;
  const choices = heads.flatMap((first, index) => {
    if (first === undefined) return size < shortest ? [Buffer.of(short | size)] : [];
    const bytes = 2 ** (index - heads.length + 3);
    if (size >= 2 ** (8 * bytes)) return [];
    const field = Buffer.alloc(bytes);
    field.writeUIntBE(size, 0, bytes);
    return [Buffer.concat([Buffer.of(first), field])];
  });
  return choices[chance(2) === 0 ? 0 : chance(choices.length)] as Uint8Array;
}

function number(value: number, chance: Chance): Uint8Array {
  const view = new DataView(new ArrayBuffer(9));
  const bytes = (size: number) => new Uint8Array(view.buffer, 0, size);
  const [set, first, size] = (
    [
      ['setFloat64', 0xcb, 8],
      ['setFloat32', 0xca, 4],
      ['setUint8', 0xcc, 1],
      ['setUint16', 0xcd, 2],
      ['setUint32', 0xce, 4],
      ['setInt8', 0xd0, 1],
      ['setInt16', 0xd1, 2],
      ['setInt32', 0xd2, 4],
    ] as const
  )[chance(8)] as ['setFloat64', number, number];
  view.setUint8(0, first);
  view[set](1, value);
  if (chance(4) > 0) return bytes(size + 1);
  // Beyond 2^53, as other programs may send it.
  view.setUint8(0, 0xcf + 4 * chance(2));
  view.setUint32(1, chance(2) === 0 ? 0 : 0xffff_ffff);
  view.setUint32(5, value);
  return bytes(9);
}
