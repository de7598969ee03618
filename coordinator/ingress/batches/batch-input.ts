import { setImmediate } from 'node:timers/promises';
import { MAX_BATCH_LINES } from '#bus-schemas';
import { parseJson } from '#http-api/core/json.ts';
import { ApiError } from '#http-api/errors.ts';
import type { StoredContents } from '../stored/stored-contents.ts';
import { readFileContent, readFileRecord } from '../stored/stored-files.ts';
import type { BatchDialect, LineRequest } from './batch-dialect.ts';

/** A fault of an input file, as the API prints it. It quotes nothing of the file. */
export interface BatchProblem {
  readonly code: string;
  readonly message: string;
  readonly param: string | null;
  /** Number of the line, counted from 1. */
  readonly line: number | null;
}

const NEWLINE = 10;
/** Most faults that are reported. */
const MAX_PROBLEMS = 20;
/** Lines and bytes that are checked in one go, before other requests of this process get their turn. */
const LINES_AT_ONCE = 64;
const BYTES_AT_ONCE = 256 * 1024;

/** The lines of an input file. They stay bytes until they run, which needs less memory. */
export class BatchInput {
  readonly #bytes: Buffer;
  readonly #dialect: BatchDialect;
  readonly #places: { readonly start: number; readonly end: number; readonly number: number }[] =
    [];

  constructor(bytes: Buffer, dialect: BatchDialect) {
    this.#bytes = bytes;
    this.#dialect = dialect;
    let number = 0;
    for (let start = 0; start < bytes.length && this.size <= MAX_BATCH_LINES; ) {
      const newline = bytes.indexOf(NEWLINE, start);
      const end = newline < 0 ? bytes.length : newline;
      number += 1;
      if (!isBlank(bytes.subarray(start, end))) this.#places.push({ start, end, number });
      start = end + 1;
    }
  }

  /** Number of lines that are not blank; more than `MAX_BATCH_LINES` are not counted. */
  get size(): number {
    return this.#places.length;
  }

  /** Throws an ApiError for a line that is no request. */
  request(line: number): LineRequest {
    const { start = 0, end = 0 } = this.#places[line] ?? {};
    return this.#dialect.requestIn(parseJson(this.#bytes.subarray(start, end)));
  }

  /** Checks all lines. A file with one fault is not run at all. */
  async problems(): Promise<BatchProblem[]> {
    if (this.size === 0)
      return [{ code: 'empty_file', message: 'The file has no line.', param: null, line: null }];
    if (this.size > MAX_BATCH_LINES) {
      const message = `A batch has at most ${MAX_BATCH_LINES} lines. Split the file.`;
      return [{ code: 'too_many_lines', message, param: null, line: null }];
    }
    const problems: BatchProblem[] = [];
    const seen = new Set<string>();
    let [lines, bytes] = [0, 0];
    for (const [line, { start, end, number }] of this.#places.entries()) {
      lines += 1;
      bytes += end - start;
      if (lines > LINES_AT_ONCE || bytes > BYTES_AT_ONCE) {
        await setImmediate();
        [lines, bytes] = [1, end - start];
      }
      const problem = this.#problemIn(line, seen);
      if (problem !== undefined) problems.push({ ...problem, line: number });
      if (problems.length === MAX_PROBLEMS) break;
    }
    return problems;
  }

  #problemIn(line: number, seen: Set<string>): Omit<BatchProblem, 'line'> | undefined {
    try {
      const { customId } = this.request(line);
      if (!seen.has(customId)) {
        seen.add(customId);
        return undefined;
      }
      const message = 'Another line of the file has the same custom_id.';
      return { code: 'duplicate_custom_id', message, param: 'custom_id' };
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return { code: error.code, message: error.message, param: error.param };
    }
  }
}

/** Reads the input file of a batch. Throws `not_found` if the file was deleted. */
export async function readInput(
  contents: StoredContents,
  file: string,
  dialect: BatchDialect,
): Promise<BatchInput> {
  const record = await readFileRecord(contents, file);
  const pieces: Buffer[] = [];
  for await (const piece of readFileContent(contents, record)) pieces.push(piece);
  return new BatchInput(Buffer.concat(pieces), dialect);
}

const isBlank = (line: Buffer): boolean => line.every((byte) => byte === 32 || byte === 13);
