import { simulatedAnswer } from '#simulator';
import { AnswerStream } from '#simulator/simulated-answer.ts';

/** What a client asked a simulated model, and what it has received. */
export interface AskedAnswer {
  readonly prompt: string;
  readonly maxTokens: number;
  readonly text: string;
}

export const chatOf = ({ prompt, maxTokens }: Omit<AskedAnswer, 'text'>) => ({
  messages: [{ role: 'user', content: prompt }],
  max_tokens: maxTokens,
});

/** The only answer that this request may get. */
export const expectedText = (asked: Omit<AskedAnswer, 'text'>): string =>
  simulatedAnswer(chatOf(asked), { endless: true }).text;

/** The tokens in the text that the client received; NaN if no answer begins with this text. */
export function receivedTokens(asked: AskedAnswer): number {
  const stream = new AnswerStream(chatOf(asked) as never, { endless: true });
  let text = '';
  for (let tokens = 0; ; tokens += 1) {
    if (text === asked.text) return tokens;
    const delta = stream.next();
    if (delta === undefined || text.length > asked.text.length) return Number.NaN;
    text += 'text' in delta ? delta.text : '';
  }
}

/** What is wrong with the tokens that a client received, if anything is. */
export const wrongTokens = (asked: AskedAnswer): string | undefined =>
  expectedText(asked).startsWith(asked.text)
    ? undefined
    : `received ${JSON.stringify(asked.text.slice(-80))}`;

/** What is missing in an answer that ended in order, if anything is. */
export const missingTokens = (asked: AskedAnswer): string | undefined =>
  asked.text === expectedText(asked)
    ? undefined
    : `has ${receivedTokens(asked)} of ${asked.maxTokens} tokens`;
