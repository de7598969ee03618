import type { FoundedFile } from '#coordinator/founding/founded-file.ts';

/** Prints what happened to each file of a network. */
export function printFoundedFiles(files: readonly FoundedFile[]): void {
  for (const { path, change } of files) {
    console.log(`${change === 'made' ? 'made' : 'kept'}   ${path}`);
    if (change === 'differs')
      console.log(`       This version would write other settings: compare it with ${path}.new`);
  }
}
