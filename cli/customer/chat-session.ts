import { createInterface, type Interface } from 'node:readline';
import { styleText } from 'node:util';
import { type Answered, type Ask, type Message, printAnswer, summaryOf } from './chat-answer.ts';

type Terminal = NodeJS.WriteStream | (NodeJS.WritableStream & { isTTY?: boolean });

export interface ChatOptions {
  readonly ask: Ask;
  /** Charge of a job in millionths of a dollar; undefined if it is not booked soon. */
  readonly costOf: (job: string, signal: AbortSignal) => Promise<number | undefined>;
  /** The text that is printed for an error. */
  readonly explain: (error: unknown) => Promise<string>;
  readonly system: string | undefined;
  readonly output: Terminal;
}

const PROMPT = '>>> ';
/** Begins and ends a message of several lines. */
const QUOTES = '"""';
const MAX_RECALLED_LINES = 200;
export const CHAT_HELP = `/clear begins a new conversation, ${QUOTES} begins and ends a message of several lines,
Ctrl-C cancels an answer, and Ctrl-D or /bye leaves.`;

const beginning = (system: string | undefined): readonly Message[] =>
  system === undefined ? [] : [{ role: 'system', content: system }];

/** Asks once, and returns the answer with its summary. The answer is printed while it arrives. */
export async function askOnce(
  { ask, costOf, system, output }: Omit<ChatOptions, 'explain'>,
  text: string,
  signal: AbortSignal,
): Promise<{ readonly answered: Answered; readonly summary: string }> {
  const messages = [...beginning(system), { role: 'user' as const, content: text }];
  const answered = await printAnswer((stop) => ask(messages, stop), output, signal);
  return { answered, summary: summaryOf(answered, await costIn(answered, costOf, signal)) };
}

const costIn = async (
  { serving }: Answered,
  costOf: ChatOptions['costOf'],
  signal: AbortSignal,
): Promise<number | undefined> => (serving === undefined ? undefined : costOf(serving.job, signal));

/** A conversation in a terminal, until the reader leaves. */
export class ChatSession {
  readonly #options: ChatOptions;
  readonly #lines: Interface;
  #messages: readonly Message[];
  /** The request that runs; undefined while the reader writes. */
  #running: AbortController | undefined;
  /** Lines of a message that `"""` began. */
  #quoted: string[] | undefined;
  /** No more input comes, but the lines that came before are still answered. */
  #isClosed = false;
  #hasLeft = false;

  constructor(input: NodeJS.ReadableStream, options: ChatOptions) {
    this.#options = options;
    this.#messages = beginning(options.system);
    this.#lines = createInterface({
      input,
      output: options.output,
      terminal: true,
      prompt: PROMPT,
      historySize: MAX_RECALLED_LINES,
      removeHistoryDuplicates: true,
    });
    this.#lines.on('close', () => {
      this.#isClosed = true;
    });
    this.#lines.on('SIGINT', () => this.#interrupt());
  }

  /** Resolves when the reader leaves. */
  async run(): Promise<void> {
    this.#prompt();
    for await (const line of this.#lines) {
      await this.#read(line);
      if (this.#hasLeft) break;
      this.#prompt();
    }
    this.#print('\n');
  }

  #prompt(): void {
    if (this.#isClosed) return;
    this.#lines.setPrompt(this.#quoted === undefined ? PROMPT : '... ');
    this.#lines.prompt();
  }

  async #read(line: string): Promise<void> {
    const text = this.#messageOf(line);
    if (text === undefined || text === '') return;
    if (text === '/bye') return this.#leave();
    if (text === '/help') return this.#print(`${CHAT_HELP}\n`);
    if (text !== '/clear') return this.#talk(text);
    this.#messages = beginning(this.#options.system);
    this.#print('The next message begins a new conversation.\n');
  }

  /** The message that this line completes; undefined if it goes on. */
  #messageOf(line: string): string | undefined {
    let rest = line;
    if (this.#quoted === undefined) {
      if (!line.trimStart().startsWith(QUOTES)) return line.trim();
      this.#quoted = [];
      rest = line.trimStart().slice(QUOTES.length);
    }
    const end = rest.indexOf(QUOTES);
    this.#quoted.push(end < 0 ? rest : rest.slice(0, end));
    if (end < 0) return undefined;
    const text = this.#quoted.join('\n').trim();
    this.#quoted = undefined;
    return text;
  }

  async #talk(text: string): Promise<void> {
    const { ask, costOf, explain, output } = this.#options;
    const asked = [...this.#messages, { role: 'user' as const, content: text }];
    try {
      this.#running = new AbortController();
      const answered = await printAnswer(
        (signal) => ask(asked, signal),
        output,
        this.#running.signal,
      );
      // A cancelled answer stays in the conversation as far as it came.
      if (answered.text !== '')
        this.#messages = [...asked, { role: 'assistant', content: answered.text }];
      this.#running = new AbortController();
      const cost = await costIn(answered, costOf, this.#running.signal);
      this.#print(`\n${styleText('dim', summaryOf(answered, cost))}\n\n`);
    } catch (error) {
      this.#print(`\n${await explain(error)}\n\n`);
    } finally {
      this.#running = undefined;
    }
  }

  /** Ctrl-C ends the request that runs, else the line that is written, else the conversation. */
  #interrupt(): void {
    if (this.#running !== undefined && !this.#running.signal.aborted) return this.#running.abort();
    if (this.#running !== undefined) return this.#leave();
    if (this.#lines.line === '' && this.#quoted === undefined) return this.#leave();
    this.#quoted = undefined;
    this.#lines.write(null, { ctrl: true, name: 'e' });
    this.#lines.write(null, { ctrl: true, name: 'u' });
    this.#prompt();
  }

  #leave(): void {
    this.#hasLeft = true;
    this.#running?.abort();
    this.#lines.close();
  }

  #print(text: string): void {
    this.#options.output.write(text);
  }
}
