import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The file of a program that can be started by its name; undefined if there is none. */
export function pathOf(program: string): string | undefined {
  return (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((folder) => join(folder, program))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** Whether a program can be started by its name. */
export const onPath = (program: string): boolean => pathOf(program) !== undefined;
