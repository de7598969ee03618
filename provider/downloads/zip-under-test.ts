import { deflateRawSync } from 'node:zlib';

interface EntryUnderTest {
  readonly name: string;
  readonly content: Uint8Array;
  readonly isStored?: boolean;
  /** Size that the archive states, if it is not the real one. */
  readonly statedBytes?: number;
}

/** Returns a ZIP archive with a comment at its end. */
export function zipBytes(entries: readonly EntryUnderTest[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, content, isStored = false, statedBytes = content.length } of entries) {
    const packed = isStored ? Buffer.from(content) : deflateRawSync(content);
    const extra = Buffer.from('extra');
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(Buffer.byteLength(name), 26);
    local.writeUInt16LE(extra.length, 28);
    parts.push(local, Buffer.from(name), extra, packed);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt16LE(isStored ? 0 : 8, 10);
    entry.writeUInt32LE(packed.length, 20);
    entry.writeUInt32LE(statedBytes, 24);
    entry.writeUInt16LE(Buffer.byteLength(name), 28);
    entry.writeUInt32LE(offset, 42);
    directory.push(entry, Buffer.from(name));
    offset += local.length + Buffer.byteLength(name) + extra.length + packed.length;
  }
  const listed = Buffer.concat(directory);
  const comment = Buffer.from('a comment');
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt32LE(listed.length, 12);
  end.writeUInt32LE(offset, 16);
  end.writeUInt16LE(comment.length, 20);
  return Buffer.concat([...parts, listed, end, comment]);
}
