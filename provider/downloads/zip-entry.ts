import { createReadStream, createWriteStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createInflateRaw } from 'node:zlib';
import { DownloadError } from './download-error.ts';

const END = 0x06054b50;
const END_BYTES = 22;
const MAX_COMMENT_BYTES = 0xffff;
const ENTRY = 0x02014b50;
const ENTRY_BYTES = 46;
const LOCAL_BYTES = 30;
const MAX_DIRECTORY_BYTES = 16 * 1024 * 1024;
const STORED = 0;
const DEFLATED = 8;

interface Entry {
  readonly method: number;
  readonly packedBytes: number;
  readonly bytes: number;
  /** Position of the local header, in bytes. */
  readonly offset: number;
}

/** Writes one entry of a ZIP archive to a file. Archives of more than 4 GB are refused. */
export async function extractEntry(
  archive: string,
  { entry: name, to }: { entry: string; to: string },
): Promise<void> {
  await using file = await open(archive);
  const entry = await findEntry(file, name);
  if (entry === undefined) throw new DownloadError('refused', `${archive} has no ${name}.`);
  const { method, bytes } = entry;
  if (method !== STORED && method !== DEFLATED)
    throw new DownloadError('refused', `${name} is packed with the unknown method ${method}.`);
  const start = entry.offset + LOCAL_BYTES + (await nameAndExtraBytes(file, entry.offset));
  const packed = createReadStream(archive, { start, end: start + entry.packedBytes - 1 });
  const limited = exactly(bytes, name);
  const target = createWriteStream(to);
  await (method === STORED
    ? pipeline(packed, limited, target)
    : pipeline(packed, createInflateRaw(), limited, target));
}

async function findEntry(file: FileHandle, wanted: string): Promise<Entry | undefined> {
  const directory = await readDirectory(file);
  for (let at = 0; at + ENTRY_BYTES <= directory.length; ) {
    if (directory.readUInt32LE(at) !== ENTRY) throw malformed();
    const [name, extra, comment] = [28, 30, 32].map((place) => directory.readUInt16LE(at + place));
    const end = at + ENTRY_BYTES + (name as number);
    if (directory.toString('utf8', at + ENTRY_BYTES, end) === wanted)
      return {
        method: directory.readUInt16LE(at + 10),
        packedBytes: directory.readUInt32LE(at + 20),
        bytes: directory.readUInt32LE(at + 24),
        offset: directory.readUInt32LE(at + 42),
      };
    at = end + (extra as number) + (comment as number);
  }
  return undefined;
}

/** The list of all entries, which the end of the archive points to. */
async function readDirectory(file: FileHandle): Promise<Buffer> {
  const { size } = await file.stat();
  const tail = Math.min(size, END_BYTES + MAX_COMMENT_BYTES);
  const end = await read(file, size - tail, tail);
  for (let at = tail - END_BYTES; at >= 0; at -= 1) {
    if (end.readUInt32LE(at) !== END) continue;
    const length = end.readUInt32LE(at + 12);
    const offset = end.readUInt32LE(at + 16);
    if (length > MAX_DIRECTORY_BYTES || offset + length > size) throw malformed();
    return read(file, offset, length);
  }
  throw malformed();
}

async function nameAndExtraBytes(file: FileHandle, offset: number): Promise<number> {
  const local = await read(file, offset, LOCAL_BYTES);
  return local.readUInt16LE(26) + local.readUInt16LE(28);
}

async function read(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await file.read(bytes, 0, length, position);
  if (bytesRead < length) throw malformed();
  return bytes;
}

/** Passes exactly so many bytes: without a limit, a small archive could fill the disk. */
function exactly(bytes: number, name: string): Transform {
  let passed = 0;
  const wrong = () => new DownloadError('refused', `${name} does not have ${bytes} bytes.`);
  return new Transform({
    transform: (piece: Buffer, _, done) => {
      passed += piece.length;
      if (passed > bytes) done(wrong());
      else done(null, piece);
    },
    flush: (done) => done(passed === bytes ? null : wrong()),
  });
}

const malformed = (): DownloadError =>
  new DownloadError('refused', 'The archive is not a valid ZIP file.');
