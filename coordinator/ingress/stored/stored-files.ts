import { allEnded, MAX_SEALED_BYTES, randomToken } from '#bus-schemas';
import { accountRefusals, refusalError } from '#http-api/refusals.ts';
import { SEAL_BYTES } from '../caller-cipher.ts';
import { LIFETIME_MS, type StoredContents } from './stored-contents.ts';

/** `batch_output`: the results of a batch. */
type FilePurpose = 'batch' | 'batch_output';

/** A file as the API prints it. */
export interface FileRecord {
  readonly id: string;
  readonly object: 'file';
  readonly bytes: number;
  /** Unix time in seconds. */
  readonly created_at: number;
  readonly expires_at: number;
  readonly filename: string;
  readonly purpose: FilePurpose;
  readonly status: 'processed';
}

interface NewFile {
  readonly filename: string;
  readonly content: Buffer;
  /** At most `LIFETIME_MS`, in milliseconds; that if absent. */
  readonly lifetimeMs?: number;
  /** Whether the caller can list the file; true if absent. */
  readonly isListed?: boolean;
}

/** A file whose content is made while it is stored. */
interface WrittenFile {
  readonly id: string;
  readonly filename: string;
  /** At most `LIFETIME_MS`, in milliseconds. */
  readonly lifetimeMs: number;
  readonly isListed: boolean;
}

interface ListPage {
  readonly purpose?: FilePurpose;
  readonly after?: string;
  readonly oldestFirst: boolean;
  readonly limit: number;
}

/** The name under which an API key lists its files. */
export const LISTED_AS = 'files';
/** Content of one part, in bytes: sealed it fits into one message of the bus. */
const PART_BYTES = MAX_SEALED_BYTES - SEAL_BYTES;
/** Parts that are stored or read at the same time, which bounds the memory for them. */
const PARALLEL = 4;

export const newFileId = (): string => `file_${randomToken(24)}`;
const FILE_ID = /^file_[0-9a-z]{24}$/;
const partOf = (id: string, part: number): string => `${id}_${part}`;
const partsOf = ({ bytes }: FileRecord): number => Math.ceil(bytes / PART_BYTES);

/**
 * Stores a file in parts, and its record last: a file exists once its record does. The parts of an
 * upload whose server ends before that expire with the time of the file.
 */
export async function uploadFile(
  contents: StoredContents,
  { filename, content, lifetimeMs = LIFETIME_MS, isListed = true }: NewFile,
  now: number,
): Promise<FileRecord> {
  const id = newFileId();
  const bytes = content.length;
  const record = recordOf({ id, bytes, filename, purpose: 'batch', lifetimeMs, now });
  const expiresAt = record.expires_at * 1_000;
  const store = (part: number) => {
    const place = part * PART_BYTES;
    const partial = content.subarray(place, place + PART_BYTES);
    return contents.putBytes({ id: partOf(id, part), bytes: partial, expiresAt });
  };
  try {
    for (const group of groupsOf(partsOf(record))) {
      // All must have ended before a failure deletes them.
      await allEnded(...group.map(store));
    }
    await putRecord(contents, record, { isListed });
  } catch (error) {
    // An account that is full must not stay full of the parts of a file that it cannot see.
    await contents.delete(id);
    throw error;
  }
  return record;
}

/**
 * Stores the results of a batch as a file, piece by piece, even if the account is full. A file of an
 * earlier try under the same id is replaced.
 */
export async function writeResults(
  contents: StoredContents,
  { id, filename, lifetimeMs, isListed }: WrittenFile,
  pieces: AsyncIterable<Buffer>,
  now: number,
): Promise<void> {
  const expiresAt = now + lifetimeMs;
  await contents.delete(id);
  let waiting = Buffer.alloc(0);
  let bytes = 0;
  const store = async (part: Buffer) => {
    const name = partOf(id, bytes / PART_BYTES);
    await contents.putBytes({ id: name, bytes: part, expiresAt, replacesResults: true });
    bytes += part.length;
  };
  for await (const piece of pieces) {
    waiting = Buffer.concat([waiting, piece]);
    for (; waiting.length >= PART_BYTES; waiting = waiting.subarray(PART_BYTES))
      await store(waiting.subarray(0, PART_BYTES));
  }
  if (waiting.length > 0) await store(waiting);
  const record = recordOf({ id, bytes, filename, purpose: 'batch_output', lifetimeMs, now });
  await putRecord(contents, record, { isListed, replacesResults: true });
}

function recordOf({
  lifetimeMs,
  now,
  ...file
}: Pick<FileRecord, 'id' | 'bytes' | 'filename' | 'purpose'> & {
  readonly lifetimeMs: number;
  readonly now: number;
}): FileRecord {
  const created = Math.floor(now / 1_000);
  return {
    ...file,
    object: 'file',
    created_at: created,
    expires_at: created + Math.floor(lifetimeMs / 1_000),
    status: 'processed',
  };
}

const putRecord = (
  contents: StoredContents,
  record: FileRecord,
  { isListed, ...options }: { readonly isListed: boolean; readonly replacesResults?: boolean },
): Promise<void> =>
  contents.putBytes({
    id: record.id,
    bytes: Buffer.from(JSON.stringify(record)),
    expiresAt: record.expires_at * 1_000,
    ...(isListed && { listedAs: LISTED_AS }),
    ...options,
  });

export async function readFileRecord(contents: StoredContents, id: string): Promise<FileRecord> {
  // A part is no file: its content would be taken for a record.
  if (!FILE_ID.test(id)) throw refusalError(accountRefusals.readStored.unknown);
  return (await contents.read<FileRecord>('file', id)).content;
}

export async function* readFileContent(
  contents: StoredContents,
  file: FileRecord,
): AsyncGenerator<Buffer> {
  for (const group of groupsOf(partsOf(file)))
    yield* await Promise.all(group.map((part) => contents.readBytes(partOf(file.id, part))));
}

/** A page of the files of a purpose, or of all. The purpose is sealed, so others are read and left out. */
export async function listFiles(
  contents: StoredContents,
  { purpose, ...page }: ListPage,
): Promise<{ readonly data: readonly FileRecord[]; readonly hasMore: boolean }> {
  const data: FileRecord[] = [];
  for (let after = page.after; ; ) {
    const asked = { ...page, ...(after !== undefined && { after }) };
    const read = await contents.list<FileRecord>(LISTED_AS, asked);
    for (const file of read.contents) {
      if (purpose !== undefined && file.purpose !== purpose) continue;
      if (data.length === page.limit) return { data, hasMore: true };
      data.push(file);
    }
    const last = read.contents.at(-1)?.id;
    if (!read.hasMore || last === undefined) return { data, hasMore: false };
    if (data.length === page.limit && purpose === undefined) return { data, hasMore: true };
    after = last;
  }
}

/** The numbers of the parts, `PARALLEL` at a time. */
function groupsOf(parts: number): number[][] {
  return Array.from({ length: Math.ceil(parts / PARALLEL) }, (_, group) =>
    Array.from(
      { length: Math.min(PARALLEL, parts - group * PARALLEL) },
      (_part, place) => group * PARALLEL + place,
    ),
  );
}
