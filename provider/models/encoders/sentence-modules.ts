import { isObject, parseList } from '../json.ts';
import { ModelError } from '../model-error.ts';
import type { ModelFolder } from '../model-folder.ts';

type Kind = 'transformer' | 'pooling' | 'dense' | 'normalise' | 'logit_score';

/** A step of a model as sentence-transformers stores it. */
export interface SentenceModule {
  readonly kind: Kind;
  /** The folder with the files of the step, inside the model's folder; empty for the model itself. */
  readonly folder: string;
}

export const MODULES_FILE = 'modules.json';

/** Folders of steps, for example `1_Pooling`. */
export const MODULE_FOLDER = /^[1-9]_[A-Za-z]{1,40}$/;

/** The names of the steps, at first and since version 5.4 of sentence-transformers. */
const KINDS: Readonly<Record<string, Kind>> = {
  'sentence_transformers.models.Transformer': 'transformer',
  'sentence_transformers.base.modules.transformer.Transformer': 'transformer',
  'sentence_transformers.models.Pooling': 'pooling',
  'sentence_transformers.sentence_transformer.modules.pooling.Pooling': 'pooling',
  'sentence_transformers.models.Dense': 'dense',
  'sentence_transformers.base.modules.dense.Dense': 'dense',
  'sentence_transformers.models.Normalize': 'normalise',
  'sentence_transformers.base.modules.normalize.Normalize': 'normalise',
  'sentence_transformers.cross_encoder.modules.logit_score.LogitScore': 'logit_score',
};
/** Most steps of a model. */
export const MAX_MODULES = 16;

/** Reads `modules.json`. Throws ModelError for steps that are not supported. */
export async function readModules(folder: ModelFolder): Promise<SentenceModule[]> {
  const modules = parseList(await folder.text(MODULES_FILE), MODULES_FILE);
  if (modules.length > MAX_MODULES)
    throw new ModelError('malformed_config', `${MODULES_FILE} has more than ${MAX_MODULES} steps`);
  return modules.map((module) => {
    const { type, path } = isObject(module) ? module : {};
    const name = String(type);
    const kind = Object.hasOwn(KINDS, name) ? KINDS[name] : undefined;
    if (kind === undefined)
      throw new ModelError(
        'unsupported_architecture',
        `${MODULES_FILE} has the step ${JSON.stringify(name.slice(0, 80))}; supported are ${Object.keys(KINDS).join(', ')}`,
      );
    const at = typeof path === 'string' ? path : '';
    // The digest of the build covers only folders with such names.
    if (at !== '' && !MODULE_FOLDER.test(at))
      throw new ModelError(
        'malformed_config',
        `${MODULES_FILE} has the folder ${JSON.stringify(at.slice(0, 80))}; names such as 1_Pooling are supported`,
      );
    return { kind, folder: at };
  });
}
