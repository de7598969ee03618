import { FieldReader } from '../field-reader.ts';
import { isObject, parseList } from '../json.ts';
import { ModelError } from '../model-error.ts';
import type { ModelFolder } from '../model-folder.ts';

/** How the vectors of a text's tokens become the vector of the text. */
export interface Pooling {
  /** `mean`: their average. `first`: that of the first token. */
  readonly from: 'mean' | 'first';
  /** Whether the vector is scaled to length 1. */
  readonly isNormalised: boolean;
}

const KINDS: Readonly<Record<string, 'transformer' | 'pooling' | 'normalise'>> = {
  'sentence_transformers.models.Transformer': 'transformer',
  'sentence_transformers.models.Pooling': 'pooling',
  'sentence_transformers.models.Normalize': 'normalise',
};
/** The folder in which sentence-transformers stores how a model pools. */
export const POOLING_FOLDER = '1_Pooling';
const MODES = [
  'cls_token',
  'mean_tokens',
  'max_tokens',
  'mean_sqrt_len_tokens',
  'weightedmean_tokens',
  'lasttoken',
] as const;

/** Reads the files of sentence-transformers. Throws ModelError for steps that are not supported. */
export async function readPooling(folder: ModelFolder): Promise<Pooling> {
  const modules = parseList(await folder.text('modules.json'), 'modules.json');
  const kinds = modules.map((module) => {
    const type = isObject(module) ? String(module['type']) : '';
    const kind = KINDS[type];
    if (kind === undefined)
      throw new ModelError(
        'unsupported_architecture',
        `modules.json has the step ${JSON.stringify(type.slice(0, 80))}; supported are ${Object.keys(KINDS).join(', ')}`,
      );
    return kind;
  });
  const order = kinds.join(' ');
  if (order !== 'transformer pooling' && order !== 'transformer pooling normalise')
    throw new ModelError(
      'unsupported_architecture',
      `modules.json has the steps ${order}; supported is a transformer, then pooling, then perhaps a normalisation`,
    );
  const settings = await (await folder.within(POOLING_FOLDER)).json('config.json');
  const fields = new FieldReader(settings, `${POOLING_FOLDER}/config.json`);
  const chosen = MODES.filter((mode) => fields.flag(`pooling_mode_${mode}`, false));
  const [mode] = chosen;
  if (chosen.length !== 1 || (mode !== 'cls_token' && mode !== 'mean_tokens'))
    throw new ModelError(
      'unsupported_architecture',
      `${POOLING_FOLDER}/config.json pools by ${chosen.join(' and ') || 'nothing'}; supported are cls_token and mean_tokens`,
    );
  return { from: mode === 'cls_token' ? 'first' : 'mean', isNormalised: kinds.length === 3 };
}
