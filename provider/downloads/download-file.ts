import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '#bus-schemas/message-of.ts';
import { DownloadError } from './download-error.ts';
import { addFile, digestFor } from './file-digest.ts';
import type { HubFile } from './hub-api.ts';

export interface DownloadOptions {
  readonly file: HubFile;
  /** Place of the complete file. Until then its content is in `<path>.incomplete`. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Called with the number of bytes that arrived; negative if bytes are discarded. */
  readonly onBytes: (bytes: number) => void;
  /** Silence after which a connection counts as dead, in milliseconds. */
  readonly silenceMs?: number;
  /** Pauses before the next try without progress, in milliseconds; after the last one it fails. */
  readonly pausesMs?: readonly number[];
}

const SILENCE_MS = 30_000;
const PAUSES_MS = [1_000, 2_000, 5_000, 10_000, 30_000, 60_000] as const;
const MAX_WAIT_MS = 300_000;
/** Times that a file may arrive with a wrong digest before it is given up. */
const MAX_WRONG = 3;

/**
 * Downloads one file. A broken connection is continued where it ended, so that no byte travels
 * twice. The file gets its name only when its digest is right.
 */
export async function downloadFile(options: DownloadOptions): Promise<void> {
  const { file, path, pausesMs = PAUSES_MS, signal } = options;
  const incomplete = `${path}.incomplete`;
  let failures = 0;
  let wrong = 0;
  let have = await sizeOf(incomplete);
  for (;;) {
    try {
      have = await fetchRest(options, incomplete, have);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof DownloadError && error.code !== 'unreachable') throw error;
      const now = await sizeOf(incomplete);
      failures = now > have ? 0 : failures + 1;
      have = now;
      const pause = pausesMs[Math.max(0, failures - 1)];
      if (pause === undefined)
        throw new DownloadError('unreachable', `${file.name}: ${messageOf(error)}`, {
          cause: error,
        });
      const wanted = error instanceof Wait ? error.waitMs : 0;
      await delay(Math.max(pause, wanted), undefined, { signal });
      continue;
    }
    const hash = await addFile(digestFor(file), incomplete);
    if (have === file.bytes && hash.digest('hex') === file.digest) {
      await rename(incomplete, path);
      return;
    }
    wrong += 1;
    await rm(incomplete);
    options.onBytes(-have);
    have = 0;
    if (wrong >= MAX_WRONG)
      throw new DownloadError(
        'wrong_bytes',
        `${file.name} arrived ${wrong} times with other bytes than expected. A proxy between may change it.`,
      );
  }
}

/** The server asks for a pause. */
class Wait extends DownloadError {
  readonly waitMs: number;

  constructor(message: string, waitMs: number) {
    super('unreachable', message);
    this.waitMs = Math.min(waitMs, MAX_WAIT_MS);
  }
}

/** Appends what is missing, and returns the number of bytes that are there then. */
async function fetchRest(
  { file, headers, signal, onBytes, silenceMs = SILENCE_MS }: DownloadOptions,
  incomplete: string,
  have: number,
): Promise<number> {
  if (have >= file.bytes) return have;
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(new Error('no byte arrived in time')), silenceMs);
  try {
    const response = await fetch(file.url, {
      headers: { ...headers, ...(have > 0 && { range: `bytes=${have}-` }) },
      signal: AbortSignal.any([signal, silence.signal]),
    });
    if (response.status === 429 || response.status === 503) {
      await response.body?.cancel();
      const seconds = Number(response.headers.get('retry-after')) || 0;
      throw new Wait(`the server answered with status ${response.status}`, seconds * 1_000);
    }
    if (response.status >= 400 && response.status < 500)
      throw new DownloadError(
        'refused',
        `${file.name}: the server answered with status ${response.status}.`,
      );
    if (!response.ok || response.body === null)
      throw new DownloadError('unreachable', `the server answered with status ${response.status}`);
    // The server did not continue but sends the file from its beginning.
    const isWhole = have > 0 && response.status !== 206;
    if (isWhole) onBytes(-have);
    let at = isWhole ? 0 : have;
    await using target = await open(incomplete, isWhole || have === 0 ? 'w' : 'r+');
    for await (const piece of response.body) {
      timer.refresh();
      if (at + piece.length > file.bytes)
        throw new DownloadError('refused', `${file.name} is larger than expected.`);
      at += await write(target, piece, at);
      onBytes(piece.length);
    }
    return at;
  } finally {
    clearTimeout(timer);
  }
}

async function write(target: FileHandle, piece: Uint8Array, at: number): Promise<number> {
  let written = 0;
  while (written < piece.length) {
    const { bytesWritten } = await target.write(
      piece,
      written,
      piece.length - written,
      at + written,
    );
    written += bytesWritten;
  }
  return written;
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}
