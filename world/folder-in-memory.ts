import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { MEMORY_FOLDER } from '#bus-schemas/memory-folder.ts';

/**
 * The folder for files that live as long as a world. In memory, writing and renaming a file takes a
 * fifth of the processor time that it takes on a disk. Systems without such a folder use the usual one.
 */
export const folderInMemory = (): string => (existsSync(MEMORY_FOLDER) ? MEMORY_FOLDER : tmpdir());
