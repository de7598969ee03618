import { type InferenceRequest, REPORTED_PER_COUNTED, UNSEEN_TOKENS } from '#bus-schemas';
import { formatOf } from '../../answers/formats.ts';
import { ChatTemplate, templateIn } from '../../models/chat-template.ts';
import { findModel } from '../../models/find-model.ts';
import { ModelError } from '../../models/model-error.ts';
import { ModelFolder } from '../../models/model-folder.ts';
import type { Prompt } from '../../models/prompt-part.ts';
import { Tokenizer } from '../../models/tokenizer.ts';

/** Largest vocabulary of a model, in tokens. The weights, which limit it, are not read here. */
const MAX_VOCABULARY = 1_000_000;

/**
 * The parts of a model's files that treat text. They count the tokens that a model server reports,
 * because the owner of this machine is paid by that number and answers for it.
 */
export class TextModel {
  readonly #tokenizer: Tokenizer;
  readonly #template: ChatTemplate | undefined;
  readonly contextTokens: number | undefined;

  constructor(parts: {
    tokenizer: Tokenizer;
    template: ChatTemplate | undefined;
    contextTokens: number | undefined;
  }) {
    this.#tokenizer = parts.tokenizer;
    this.#template = parts.template;
    this.contextTokens = parts.contextTokens;
  }

  tokensIn(text: Prompt): number | undefined {
    try {
      return this.#tokenizer.encode(text).length;
    } catch (error) {
      if (error instanceof ModelError) return undefined;
      throw error;
    }
  }

  /** Undefined for a request whose prompt does not consist of text. */
  promptTokensOf(chat: InferenceRequest['chat']): number | undefined {
    const isText = ({ content }: (typeof chat.messages)[number]) =>
      !Array.isArray(content) || content.every(({ type }) => type === 'text');
    if (this.#template === undefined || !chat.messages.every(isText)) return undefined;
    try {
      return this.tokensIn(this.#template.render(chat));
    } catch (error) {
      if (error instanceof ModelError) return undefined;
      throw error;
    }
  }
}

/** The reported number, or the counted one if the reported one is far higher. */
export const plausible = (reported: number, counted: number | undefined): number =>
  counted !== undefined && reported > counted * REPORTED_PER_COUNTED + UNSEEN_TOKENS
    ? counted
    : reported;

/**
 * Opens the text parts of a model that is on this machine: its server names a folder, or a
 * repository in Hugging Face's cache. Undefined if it is not, or if this program cannot read it.
 */
export async function openTextModel(name: string): Promise<TextModel | undefined> {
  try {
    const folder = await ModelFolder.open((await findModel(name)).path);
    const about = (await folder.jsonIfAny('tokenizer_config.json')) ?? {};
    const config = await folder.json('config.json');
    const text = (await folder.textIfAny('chat_template.jinja')) ?? templateIn(about);
    const context = config['max_position_embeddings'];
    const tokenizer = Tokenizer.read({
      json: await folder.json('tokenizer.json'),
      config: about,
      vocabularySize: MAX_VOCABULARY,
    });
    const has = (token: string) => tokenizer.idOf(token) !== undefined;
    return new TextModel({
      tokenizer,
      template:
        text === undefined
          ? undefined
          : new ChatTemplate({ text, config: about, format: formatOf({ template: text, has }) }),
      contextTokens: Number.isSafeInteger(context) ? (context as number) : undefined,
    });
  } catch (error) {
    if (error instanceof ModelError) return undefined;
    throw error;
  }
}
