import { realpathSync } from 'node:fs';

/**
 * The script that runs, of this version: a link that names it may name another version by the time
 * at which it is started again.
 */
export const thisProgram = (): string => realpathSync(process.argv[1] ?? '');
