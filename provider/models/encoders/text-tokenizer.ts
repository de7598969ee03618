import { FieldReader } from '../field-reader.ts';
import { isObject, type JsonObject } from '../json.ts';
import { ModelError } from '../model-error.ts';
import { EncoderTokenizer, isTokenId, type Marks, type PairPrompt } from './encoder-tokenizer.ts';

const MAX_MARKS = 16;

/**
 * Opens the BPE tokenizer of a decoder that computes embeddings. `tokenizer.json` says in its
 * post-processor which marks stand around a text. A reranker has a prompt for pairs.
 */
export function openTextTokenizer(
  json: JsonObject,
  vocabulary: number,
  prompt?: PairPrompt,
): EncoderTokenizer {
  const model = new FieldReader(json, 'tokenizer.json').object('model');
  model?.text('type', ['BPE'], { or: undefined });
  if (!isObject((json['model'] as { vocab?: unknown } | undefined)?.vocab))
    throw new ModelError('malformed_tokenizer', 'tokenizer.json has no BPE vocabulary');
  const { signs, texts } = addedTokens(json);
  const single = marksOf(json, vocabulary) ?? { before: [], after: [] };
  // Added tokens that are no marks, such as runs of line breaks, stay part of the texts.
  const plain = { ...json, added_tokens: texts };
  const tokenizer = EncoderTokenizer.open(plain, { single }, vocabulary);
  return prompt === undefined ? tokenizer : tokenizer.withPrompt(prompt, signs);
}

/** Whether the tokenizer ends each text with a mark, as models for embeddings of the last token do. */
export function endsTexts(json: JsonObject): boolean {
  return (marksOf(json, Number.MAX_SAFE_INTEGER)?.after.length ?? 0) > 0;
}

function addedTokens(json: JsonObject) {
  const added = json['added_tokens'] ?? [];
  if (!Array.isArray(added) || !added.every(isObject))
    throw new ModelError('malformed_tokenizer', 'added_tokens is not a list of objects');
  const marks = added.filter(({ special }) => special === true);
  return {
    texts: added.filter(({ special }) => special !== true),
    signs: new Map(marks.map(({ content, id }) => [String(content), Number(id)])),
  };
}

/** The marks of the template in the post-processor, which is a processor or a list of them. */
function marksOf(json: JsonObject, vocabulary: number): Marks['single'] | undefined {
  const processor = json['post_processor'];
  if (!isObject(processor)) return undefined;
  const listed = processor['processors'];
  const all = Array.isArray(listed) ? listed.filter(isObject) : [processor];
  const template = all.find(({ type }) => type === 'TemplateProcessing');
  if (template === undefined) return undefined;
  const parts = template['single'];
  if (!Array.isArray(parts) || parts.length > MAX_MARKS || !parts.every(isObject))
    throw new ModelError('malformed_tokenizer', 'the template of the post-processor is no list');
  const at = parts.findIndex((part) => isObject(part['Sequence']));
  if (at === -1)
    throw new ModelError('malformed_tokenizer', 'the template of the post-processor has no text');
  const known = template['special_tokens'];
  const idsOf = (part: JsonObject): number[] => {
    const mark = part['SpecialToken'];
    const name = isObject(mark) ? String(mark['id']) : '';
    const about = isObject(known) && Object.hasOwn(known, name) ? known[name] : undefined;
    const ids = isObject(about) ? about['ids'] : undefined;
    const isId = (id: unknown) => isTokenId(id, vocabulary);
    if (!Array.isArray(ids) || ids.length > MAX_MARKS || !ids.every(isId))
      throw new ModelError(
        'malformed_tokenizer',
        `the post-processor has no ids for ${JSON.stringify(name.slice(0, 40))}`,
      );
    return ids;
  };
  return {
    before: parts.slice(0, at).flatMap(idsOf),
    after: parts.slice(at + 1).flatMap(idsOf),
  };
}
