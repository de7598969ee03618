import { FUNCTIONS, HarmonyPrompt } from '../../models/harmony/harmony-prompt.ts';
import type { AnswerPart, AnswerReader, CallForm, FormatFamily, ReaderOptions } from '../format.ts';

const CALL = `<|channel|>commentary to=${FUNCTIONS}`;
const CALL_FORM: CallForm = {
  trigger: CALL,
  tag: (name, parameters) => ({
    begin: `${CALL}${name} <|constrain|>json<|message|>`,
    content: { type: 'json_schema', json_schema: parameters },
    // The token that ends a call ends the answer too, and no grammar may contain such a token.
    end: '',
  }),
};

/** gpt-oss. */
export const HARMONY_FORMAT: FormatFamily = {
  name: 'Harmony',
  of: ({ template }) =>
    template.includes('<|channel|>') && template.includes('<|start|>')
      ? {
          reasons: true,
          call: CALL_FORM,
          beforeJson: '<|channel|>final<|message|>',
          // After the final message, and after a call.
          endTokens: ['<|return|>', '<|call|>'],
          promptWriter: (today) => new HarmonyPrompt(today),
          reader: (options) => new HarmonyReader(options),
          beginsThinking: () => false,
        }
      : undefined,
};

/** How the content of a message is returned. */
type Kind = 'text' | 'reasoning' | 'call' | 'hidden';

/**
 * Separates the messages of an answer in the Harmony format while it arrives. Only control tokens
 * are structure: text that spells their names is content.
 *
 *   header → content → between → header
 *
 * A message to an offered function is a call; one in the channel `final`, or in `commentary` without
 * a recipient, is text for the client; one in `analysis`, or to a tool that was not offered, is
 * reasoning. Messages of other authors and everything outside of messages are removed.
 */
class HarmonyReader implements AnswerReader {
  readonly #offersTools: boolean;
  #state: 'header' | 'content' | 'between';
  #header: Header = { author: '' };
  #kind: Kind = 'text';
  #isEmpty = true;
  #calls = 0;
  readonly #begun = new Set<Kind>();

  constructor({ tools, continues }: ReaderOptions) {
    this.#offersTools = tools.length > 0;
    this.#state = continues ? 'content' : 'header';
    if (!continues) this.#header = { author: 'assistant' };
    this.#isEmpty = !continues;
  }

  get isThinking(): boolean {
    return this.#state === 'content' && (this.#kind === 'reasoning' || this.#kind === 'hidden');
  }

  get calls(): number {
    return this.#calls;
  }

  push(text: string): AnswerPart[] {
    if (text === '') return [];
    if (this.#state === 'header') addTo(this.#header, text);
    return this.#state === 'content' ? this.#content(text) : [];
  }

  pushSign(name: string): AnswerPart[] {
    switch (name) {
      case '<|start|>': {
        const ended = this.#endMessage();
        this.#state = 'header';
        this.#header = { author: '' };
        return ended;
      }
      case '<|channel|>':
      case '<|constrain|>':
        if (name === '<|channel|>') this.#header.channel ??= '';
        else this.#header.format ??= '';
        return [];
      case '<|message|>':
        return this.#state === 'header' ? this.#beginMessage() : [];
      case '<|end|>':
      case '<|call|>':
      case '<|return|>':
        return this.#endMessage();
      default:
        return [];
    }
  }

  end(): AnswerPart[] {
    return this.#endMessage();
  }

  #beginMessage(): AnswerPart[] {
    const { author, recipient, channel } = read(this.#header);
    this.#state = 'content';
    this.#isEmpty = true;
    const name = recipient?.startsWith(FUNCTIONS) ? recipient.slice(FUNCTIONS.length) : '';
    if (author !== 'assistant') this.#kind = 'hidden';
    else if (recipient !== undefined)
      this.#kind = this.#offersTools && name !== '' ? 'call' : 'reasoning';
    else if (channel === undefined || channel === 'final' || channel === 'commentary')
      this.#kind = 'text';
    else this.#kind = 'reasoning';
    if (this.#kind !== 'call') return [];
    this.#calls += 1;
    return [{ k: 'call', name }];
  }

  #content(text: string): AnswerPart[] {
    const isFirst = this.#isEmpty;
    this.#isEmpty = false;
    switch (this.#kind) {
      case 'hidden':
        return [];
      case 'call':
        return [{ k: 'arguments', text }];
      case 'text':
      case 'reasoning': {
        const isFurther = isFirst && this.#begun.has(this.#kind);
        this.#begun.add(this.#kind);
        return [{ k: this.#kind, text: isFurther ? `\n\n${text}` : text }];
      }
    }
  }

  #endMessage(): AnswerPart[] {
    const hasNoArguments = this.#state === 'content' && this.#kind === 'call' && this.#isEmpty;
    this.#state = 'between';
    return hasNoArguments ? [{ k: 'arguments', text: '{}' }] : [];
  }
}

/** The texts of a header: from its beginning, from `<|channel|>` and from `<|constrain|>` on. */
interface Header {
  author: string;
  channel?: string;
  format?: string;
}

function addTo(header: Header, text: string): void {
  if (header.format !== undefined) header.format += text;
  else if (header.channel !== undefined) header.channel += text;
  else header.author += text;
}

/** Reads a header. The recipient stands after the author or after the channel. */
function read({ author, channel }: Header) {
  const recipientIn = (text: string) => /\sto=(\S+)/.exec(text)?.[1];
  return {
    author: /^\s*([^\s:]*)/.exec(author)?.[1],
    recipient: recipientIn(author) ?? recipientIn(channel ?? ''),
    channel: channel === undefined ? undefined : /^\s*(\S*)/.exec(channel)?.[1],
  };
}
