import { FieldReader } from '../field-reader.ts';
import { isObject, type JsonObject } from '../json.ts';
import { ModelError } from '../model-error.ts';
import { EncoderTokenizer, isTokenId } from './encoder-tokenizer.ts';

/**
 * Opens the WordPiece tokenizer of BERT. `json` is the content of `tokenizer.json`, `config` that of
 * `tokenizer_config.json`.
 */
export function openWordTokenizer(
  json: JsonObject,
  config: JsonObject,
  vocabulary: number,
): EncoderTokenizer {
  const model = new FieldReader(json, 'tokenizer.json').object('model');
  const words = (json['model'] as { vocab?: unknown } | undefined)?.vocab;
  if (model?.text('type', ['WordPiece']) !== 'WordPiece' || !isObject(words))
    throw new ModelError('malformed_tokenizer', 'tokenizer.json has no WordPiece vocabulary');
  const idOf = (mark: string) => {
    const id = words[mark];
    if (!isTokenId(id, vocabulary))
      throw new ModelError('malformed_tokenizer', `the vocabulary has no token ${mark}`);
    return id;
  };
  const about = new FieldReader(config, 'tokenizer_config.json');
  idOf(model.anyText('unk_token') ?? '[UNK]');
  const begin = [idOf(about.anyText('cls_token') ?? '[CLS]')];
  const separator = [idOf(about.anyText('sep_token') ?? '[SEP]')];
  const marks = {
    single: { before: begin, after: separator },
    pair: { before: begin, between: separator, after: separator },
  };
  return EncoderTokenizer.open({ ...json, added_tokens: [] }, marks, vocabulary);
}
