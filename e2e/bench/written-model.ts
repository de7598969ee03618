import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DecoderModel, openDecoderAlone } from '#provider/models/model.ts';

export interface WrittenModel extends AsyncDisposable {
  readonly model: DecoderModel;
}

/** Opens a model that `write` writes into a folder, which is deleted with it. */
export async function writtenModel(
  write: (folder: string) => Promise<void>,
): Promise<WrittenModel> {
  const folder = await mkdtemp(join(tmpdir(), 'dinf-bench-model-'));
  await write(folder);
  return {
    model: await openDecoderAlone(folder),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}
