import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** Time after which a program that reads a state of the system is ended, in milliseconds. */
const LIMIT_MS = 5_000;

/** The output of a program of the system; undefined if it is missing, fails or takes too long. */
export const printedBy = (program: string, args: readonly string[]): Promise<string | undefined> =>
  run(program, args, { timeout: LIMIT_MS }).then(
    ({ stdout }) => stdout,
    () => undefined,
  );
