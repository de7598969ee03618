import { MAX_SEALED_BYTES, randomToken } from '#bus-schemas';
import { accountRefusals, refusalError } from '#http-api/refusals.ts';
import { SEAL_BYTES } from '../caller-cipher.ts';
import { LIFETIME_MS, type StoredContents } from './stored-contents.ts';

/** A file as the API prints it. */
interface FileRecord {
  readonly id: string;
  readonly object: 'file';
  readonly bytes: number;
  /** Unix time in seconds. */
  readonly created_at: number;
  readonly expires_at: number;
  readonly filename: string;
  readonly purpose: 'batch';
  readonly status: 'processed';
}

interface NewFile {
  readonly filename: string;
  readonly content: Buffer;
  /** At most `LIFETIME_MS`, in milliseconds; that if absent. */
  readonly lifetimeMs?: number;
}

interface ListPage {
  readonly after?: string;
  readonly oldestFirst: boolean;
  readonly limit: number;
}

/** The name under which an API key lists its files. */
const LISTED_AS = 'files';
/** Content of one part, in bytes: sealed it fits into one message of the bus. */
const PART_BYTES = MAX_SEALED_BYTES - SEAL_BYTES;
/** Parts that are stored or read at the same time, which bounds the memory for them. */
const PARALLEL = 4;

const FILE_ID = /^file_[0-9a-z]{24}$/;
const partOf = (id: string, part: number): string => `${id}_${part}`;
const partsOf = ({ bytes }: FileRecord): number => Math.ceil(bytes / PART_BYTES);

/**
 * Stores a file in parts, and its record last: a file exists once its record does. The parts of an
 * upload whose server ends before that expire with the time of the file.
 */
export async function uploadFile(
  contents: StoredContents,
  { filename, content, lifetimeMs = LIFETIME_MS }: NewFile,
  now: number,
): Promise<FileRecord> {
  const created = Math.floor(now / 1_000);
  const record: FileRecord = {
    id: `file_${randomToken(24)}`,
    object: 'file',
    bytes: content.length,
    created_at: created,
    expires_at: created + Math.floor(lifetimeMs / 1_000),
    filename,
    purpose: 'batch',
    status: 'processed',
  };
  const { id } = record;
  const expiresAt = record.expires_at * 1_000;
  const store = (part: number) => {
    const bytes = content.subarray(part * PART_BYTES, (part + 1) * PART_BYTES);
    return contents.putBytes({ id: partOf(id, part), bytes, expiresAt });
  };
  try {
    for (const group of groupsOf(partsOf(record))) {
      // All must have ended before a failure deletes them.
      const ends = await Promise.allSettled(group.map(store));
      const failed = ends.find((end) => end.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    }
    const bytes = Buffer.from(JSON.stringify(record));
    await contents.putBytes({ id, bytes, expiresAt, listedAs: LISTED_AS });
  } catch (error) {
    // An account that is full must not stay full of the parts of a file that it cannot see.
    await contents.delete(id);
    throw error;
  }
  return record;
}

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

export async function listFiles(contents: StoredContents, page: ListPage) {
  const { contents: data, hasMore } = await contents.list<FileRecord>(LISTED_AS, page);
  return { data, hasMore };
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
