import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline as connected, Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';

/** Counts and sum of an archive, by which it is compared with the database. */
export interface ArchiveSums {
  readonly charges: number;
  readonly receipts: number;
  /** Sum of all charges in micro-dollars; over a month it may exceed exact numbers. */
  readonly charged: bigint;
}

/**
 * Writes lines of JSON into a compressed file. Returns the file's SHA-256 after the disk has the
 * file.
 */
export async function writeArchive(
  path: string,
  lines: AsyncIterable<readonly string[]>,
): Promise<Buffer> {
  const file = await open(path, 'w', 0o600);
  try {
    const hash = createHash('sha256');
    const hashed = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        hash.update(chunk);
        done(null, chunk);
      },
    });
    await pipeline(Readable.from(texts(lines)), createGzip(), hashed, (chunks) =>
      file.writeFile(chunks),
    );
    await file.sync();
    return hash.digest();
  } finally {
    await file.close();
  }
}

async function* texts(lines: AsyncIterable<readonly string[]>): AsyncGenerator<string> {
  for await (const batch of lines) yield `${batch.join('\n')}\n`;
}

export async function sha256Of(path: string): Promise<Buffer> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest();
}

/** The parts of a line that the archive itself reads. */
interface ArchivedJob {
  readonly charge: { readonly job: string; readonly charged: number };
  readonly receipts: readonly unknown[];
}

/** Reads an archive from the disk in batches of jobs. Throws if the file cannot be decompressed. */
export async function* archivedJobs(path: string, batch: number): AsyncGenerator<ArchivedJob[]> {
  let jobs: ArchivedJob[] = [];
  for await (const line of linesOf(path)) {
    jobs.push(JSON.parse(line) as ArchivedJob);
    if (jobs.length < batch) continue;
    yield jobs;
    jobs = [];
  }
  if (jobs.length > 0) yield jobs;
}

async function* linesOf(path: string): AsyncGenerator<string> {
  // A failure of one of the streams ends the last one, which throws it here.
  const text = connected(createReadStream(path), createGunzip(), () => undefined);
  let rest = '';
  for await (const chunk of text.setEncoding('utf8')) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  if (rest !== '') throw new Error(`${path} ends within a line`);
}

/** Reads a whole archive and returns its sums. */
export async function sumsOf(path: string): Promise<ArchiveSums> {
  const sums = { charges: 0, receipts: 0, charged: 0n };
  for await (const jobs of archivedJobs(path, 1_000))
    for (const { charge, receipts } of jobs) {
      sums.charges += 1;
      sums.receipts += receipts.length;
      sums.charged += BigInt(charge.charged);
    }
  return sums;
}

export const isSameSums = (one: ArchiveSums, other: ArchiveSums): boolean =>
  one.charges === other.charges && one.receipts === other.receipts && one.charged === other.charged;
