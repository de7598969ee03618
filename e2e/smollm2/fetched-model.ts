import { prepareRealModels } from '#cli/up/real-models.ts';
import { DownloadError } from '#provider/downloads/download-error.ts';

/** Fetches SmolLM2 into the cache, unless it is there. Returns its folder, or why it cannot be had. */
export async function fetchedModel(): Promise<{ folder: string } | { reason: string }> {
  try {
    const signal = new AbortController().signal;
    const [model] = await prepareRealModels('smollm2', { signal, say: () => undefined });
    if (model === undefined) throw new Error('no model is called smollm2');
    return { folder: model.folder };
  } catch (error) {
    if (error instanceof DownloadError && error.code === 'unreachable')
      return { reason: error.message };
    throw error;
  }
}
