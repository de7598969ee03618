import { FieldReader } from '../field-reader.ts';
import { ModelError } from '../model-error.ts';
import type { ModelFolder } from '../model-folder.ts';
import { type Projection, readProjection } from './projection.ts';
import { MODULES_FILE, type SentenceModule } from './sentence-modules.ts';

type PooledTokens = 'mean' | 'first' | 'last';

/** How the vectors of a text's tokens become the vector of the text. */
export interface Pooling {
  /** `mean`: their average. `first`, `last`: that of the first or last token. */
  readonly from: PooledTokens;
  /** Matrices that multiply the pooled vector, one after the other. */
  readonly projections: readonly Projection[];
  /** Whether the vector is scaled to length 1. */
  readonly isNormalised: boolean;
}

const FROM: Readonly<Record<string, PooledTokens>> = {
  mean: 'mean',
  cls: 'first',
  lasttoken: 'last',
};
/** The names of the ways to pool: as flags, and as one field since version 5.4. */
const MODES = {
  cls_token: 'cls',
  mean_tokens: 'mean',
  max_tokens: 'max',
  mean_sqrt_len_tokens: 'mean_sqrt_len_tokens',
  weightedmean_tokens: 'weightedmean',
  lasttoken: 'lasttoken',
} as const;
/** The folder in which sentence-transformers stores how a model pools. */
const POOLING_FOLDER = '1_Pooling';

export interface PoolingOf {
  /** Size of the vectors of tokens. */
  readonly hidden: number;
  /** The steps of the model; undefined if the folder has none. */
  readonly modules: readonly SentenceModule[] | undefined;
  /** The ways to pool that fit to the model. */
  readonly allowed: readonly PooledTokens[];
  /**
   * The way to pool if the folder has no `1_Pooling`, which some tools leave out. Without it, the
   * folder is required.
   */
  readonly usual?: PooledTokens | undefined;
}

/** Reads the files of sentence-transformers. Throws ModelError for steps that are not supported. */
export async function readPooling(
  folder: ModelFolder,
  { hidden, modules, allowed, usual }: PoolingOf,
): Promise<Pooling> {
  await refuseDefaultPrompt(folder);
  if (modules === undefined) {
    if (usual === undefined) throw new ModelError('missing_file', MODULES_FILE);
    return { from: usual, projections: [], isNormalised: true };
  }
  const order = modules.map(({ kind }) => kind);
  const steps = order.join(' ');
  if (!/^transformer pooling( dense)*( normalise)?$/.test(steps))
    throw new ModelError(
      'unsupported_architecture',
      `${MODULES_FILE} has the steps ${steps}; supported is a transformer, then pooling, then perhaps dense layers and a normalisation`,
    );
  const isThere = (await folder.names()).includes(POOLING_FOLDER);
  const from = usual !== undefined && !isThere ? usual : await readMode(folder, allowed);
  const projections: Projection[] = [];
  let width = hidden;
  for (const module of modules) {
    if (module.kind !== 'dense') continue;
    const projection = await readProjection(folder, {
      module: module.folder,
      index: projections.length,
      width,
    });
    projections.push(projection);
    width = projection.matrix.out;
  }
  return { from, projections, isNormalised: order.includes('normalise') };
}

/** A prompt before each text is the client's choice: a machine that added one would change its tokens. */
async function refuseDefaultPrompt(folder: ModelFolder): Promise<void> {
  const name = 'config_sentence_transformers.json';
  const fields = new FieldReader((await folder.jsonIfAny(name)) ?? {}, name);
  const prompt = fields.anyText('default_prompt_name');
  if (prompt !== undefined)
    throw new ModelError(
      'unsupported_architecture',
      `${name} puts the prompt ${JSON.stringify(prompt.slice(0, 40))} before each text; models with a default_prompt_name are not supported`,
    );
}

async function readMode(
  folder: ModelFolder,
  allowed: readonly PooledTokens[],
): Promise<PooledTokens> {
  const settings = await (await folder.within(POOLING_FOLDER)).json('config.json');
  const fields = new FieldReader(settings, `${POOLING_FOLDER}/config.json`);
  const named = fields.has('pooling_mode') ? fields.anyText('pooling_mode') : undefined;
  const chosen =
    named === undefined
      ? Object.entries(MODES)
          .filter(([flag]) => fields.flag(`pooling_mode_${flag}`, false))
          .map(([, mode]) => mode)
      : [named.slice(0, 40)];
  const from = chosen.length === 1 ? FROM[chosen[0] as string] : undefined;
  if (from === undefined || !allowed.includes(from)) {
    const known = Object.keys(FROM).filter((mode) => allowed.includes(FROM[mode] as PooledTokens));
    throw new ModelError(
      'unsupported_architecture',
      `${POOLING_FOLDER}/config.json pools by ${chosen.join(' and ') || 'nothing'}; supported for this model are ${known.join(' and ')}`,
    );
  }
  return from;
}
