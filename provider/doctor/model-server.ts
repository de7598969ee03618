import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { messageOf } from '#bus-schemas/message-of.ts';
import { OPENAI } from '../engine/backend-names.ts';
import { addressOf } from '../engine/upstream/open-upstream-engine.ts';
import { ModelQuery } from '../engine/upstream/served-models.ts';
import { UpstreamClient } from '../engine/upstream/upstream-client.ts';
import type { Settings } from '../service/settings.ts';

/** The model server that runs the models instead of an engine, and its answer to the doctor. */
export type ModelServerFact =
  | { readonly url: string | undefined; readonly fault: string }
  | {
      readonly url: string;
      readonly fault?: never;
      /** Number of models that this machine serves from there. */
      readonly served: number;
      /** Chosen models that the server does not offer. */
      readonly missing: readonly string[];
    };

/** Asks the model server of the saved options; undefined if an engine of this program is used. */
export async function modelServerFact(
  settings: Settings | undefined,
): Promise<ModelServerFact | undefined> {
  if (settings?.engine !== OPENAI) return undefined;
  const { upstream, isRemote, keyFile } = savedAddress(settings.upstream ?? []);
  if (upstream === undefined) return { url: undefined, fault: 'No model server is named' };
  try {
    const client = new UpstreamClient({
      url: addressOf(upstream, isRemote),
      key: keyFile === undefined ? undefined : (await readFile(keyFile, 'utf8')).trim(),
    });
    const query = new ModelQuery(client, {
      models: settings.models,
      contextTokens: undefined,
      traits: [],
    });
    const models = await query.models();
    const missing = settings.models.filter(
      (name) => !models.some(({ id, build }) => name === id || name === build),
    );
    return { url: upstream, served: models.length, missing };
  } catch (error) {
    // The code before the message, and its full stop, would be wrong inside a sentence.
    const reason = messageOf(error).replace(/^\w+: |\.$/g, '');
    return { url: upstream, fault: `The model server at ${upstream} cannot be used: ${reason}` };
  }
}

/** The address in the saved arguments, which are those of `dinf provider start`. */
function savedAddress(args: readonly string[]) {
  const { values } = parseArgs({
    args: [...args],
    strict: false,
    options: {
      upstream: { type: 'string' },
      'upstream-key-file': { type: 'string' },
      'upstream-remote': { type: 'boolean' },
    },
  });
  const { upstream, 'upstream-key-file': keyFile, 'upstream-remote': isRemote } = values;
  return {
    upstream: typeof upstream === 'string' ? upstream : undefined,
    keyFile: typeof keyFile === 'string' ? keyFile : undefined,
    isRemote: isRemote === true,
  };
}
