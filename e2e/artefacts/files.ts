import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** The folder with all that users install. */
export const PACKAGING = resolve(import.meta.dirname, '../../packaging');

export const packagingFile = (name: string): string => readFileSync(join(PACKAGING, name), 'utf8');
