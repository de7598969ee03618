import { Worker } from 'node:worker_threads';
import { type InferenceRequest, MAX_SCHEMA_CHARACTERS } from '#bus-schemas';
import type { VocabularyFacts } from '../../models/tokenizer.ts';
import type { ToolStyle } from '../../models/tool-style.ts';
import type { GrammarAnswer, GrammarQuestion } from './grammar-thread.ts';
import type { TokenMask } from './sampler.ts';

type Chat = InferenceRequest['chat'];

/** What an answer must look like, in XGrammar's words. */
type Format = Readonly<Record<string, unknown>>;

const CHECK_MS = 2_000;

/** What the request demands of the answer's form; nothing when any text will do. */
export function formatOf(
  { response_format: wanted, tools = [], tool_choice: choice = 'auto', parallel_tool_calls: parallel = true }: Chat,
  style: ToolStyle | undefined,
): Format | undefined {
  if (tools.length > 0 && choice !== 'none' && style !== undefined) {
    const named = typeof choice === 'object' ? tools.filter(({ function: { name } }) => name === choice.function.name) : tools;
    const tags = named.map(({ function: { name, parameters } }) => ({
      type: 'tag',
      begin: `${style.begin}{"name": ${JSON.stringify(name)}, "${style.argumentsName}": `,
      content: { type: 'json_schema', json_schema: parameters ?? { type: 'object' } },
      end: `}${style.end}`,
    }));
    return {
      type: 'triggered_tags',
      triggers: [style.trigger],
      tags,
      at_least_one: choice !== 'auto',
      stop_after_first: typeof choice === 'object' || !parallel,
    };
  }
  if (wanted === undefined || wanted.type === 'text') return undefined;
  return { type: 'json_schema', json_schema: (wanted.type === 'json_schema' ? wanted.json_schema?.schema : undefined) ?? { type: 'object' } };
}

/** A schema that no grammar can be made of: the client's fault. The message may quote the schema: it is for the client alone. */
export class GrammarError extends Error {
  override name = 'GrammarError';
}

/** The thread of a grammar ended, perhaps because of another client's schema: this machine's fault. */
class GrammarThreadError extends Error {
  override name = 'GrammarThreadError';
}

/** One answer's grammar, a token at a time. */
export interface Constraint {
  /** Which tokens may come next; nothing when the answer is whole. Worked out while the decoder works. */
  mask(): Promise<TokenMask | undefined>;
  accept(token: number): void;
  close(): void;
}

/**
 * Grammars run on a thread of their own, and a schema is tried on another one first: one that breaks the library or takes too
 * long costs that thread and nothing else.
 */
export class Grammars implements AsyncDisposable {
  readonly #vocabulary: VocabularyFacts;
  readonly #endTokens: readonly number[];
  #tester: GrammarThread | undefined;
  #runner: GrammarThread | undefined;
  #checks: Promise<unknown> = Promise.resolve();
  #next = 0;

  constructor(vocabulary: VocabularyFacts, endTokens: Iterable<number>) {
    this.#vocabulary = vocabulary;
    this.#endTokens = [...endTokens];
  }

  /** The grammar is compiled, and at least one token may come. Throws GrammarError. */
  async open(format: Format): Promise<Constraint> {
    const text = JSON.stringify({ type: 'structural_tag', format });
    if (text.length > MAX_SCHEMA_CHARACTERS) throw new GrammarError(`The schema is too large: the most is ${MAX_SCHEMA_CHARACTERS} characters.`);
    // One at a time: a schema that ends the thread must not take another client's check with it.
    const check = this.#checks.then(() => this.#check(text));
    this.#checks = check.catch(() => undefined);
    await check;
    const runner = this.#liveRunner();
    const id = this.#next++;
    const constraint = new RunningConstraint(runner, id, runner.ask({ op: 'open', id, format: text }));
    const mask = await constraint.mask();
    if (mask?.every((bits) => bits === 0)) {
      constraint.close();
      throw new GrammarError('No answer fits the schema.');
    }
    return constraint;
  }

  async #check(text: string): Promise<void> {
    this.#tester ??= new GrammarThread();
    const tried = await this.#tester.ask({ op: 'check', format: text }, CHECK_MS);
    if (tried.ok) return;
    await this.#tester[Symbol.asyncDispose]();
    this.#tester = undefined;
    throw new GrammarError(tried.isLost ? `The schema cannot be checked within ${CHECK_MS} ms.` : tried.why);
  }

  /** A thread that ended is replaced: schemas of other clients go on. */
  #liveRunner(): GrammarThread {
    if (this.#runner === undefined || this.#runner.isOver) {
      this.#runner = new GrammarThread();
      void this.#runner.ask({ op: 'vocabulary', ...this.#vocabulary, endTokens: this.#endTokens });
    }
    return this.#runner;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#tester, this.#runner].map((thread) => thread?.[Symbol.asyncDispose]()));
  }
}

class RunningConstraint implements Constraint {
  readonly #thread: GrammarThread;
  readonly #id: number;
  #answer: Promise<GrammarAnswer>;

  constructor(thread: GrammarThread, id: number, first: Promise<GrammarAnswer>) {
    this.#thread = thread;
    this.#id = id;
    this.#answer = first;
  }

  async mask(): Promise<TokenMask | undefined> {
    const answer = await this.#answer;
    if (answer.ok) return answer.mask;
    throw answer.isLost ? new GrammarThreadError(answer.why) : new GrammarError(answer.why);
  }

  accept(token: number): void {
    this.#answer = this.#thread.ask({ op: 'next', id: this.#id, token });
  }

  close(): void {
    void this.#thread.ask({ op: 'close', id: this.#id });
  }
}

/** Answers come in the order of the questions. */
class GrammarThread implements AsyncDisposable {
  readonly #worker: Worker;
  readonly #asked: ((answer: GrammarAnswer) => void)[] = [];
  #over: string | undefined;

  constructor() {
    // What the library prints when it gives up quotes the schema, which is the consumer's: nobody reads it.
    this.#worker = new Worker(new URL('./grammar-thread.ts', import.meta.url), { stdout: true, stderr: true });
    this.#worker.stdout.resume();
    this.#worker.stderr.resume();
    this.#worker.unref();
    this.#worker.on('message', (answer: GrammarAnswer) => this.#asked.shift()?.(answer));
    this.#worker.on('error', () => this.#end('the grammar thread failed'));
    this.#worker.on('exit', () => this.#end('the grammar thread is gone'));
  }

  get isOver(): boolean {
    return this.#over !== undefined;
  }

  ask(question: GrammarQuestion, timeoutMs?: number): Promise<GrammarAnswer> {
    if (this.#over !== undefined) return Promise.resolve({ ok: false, isLost: true, why: this.#over });
    return new Promise((resolve) => {
      let isAnswered = false;
      // An answer may have come long ago, to a loop that was busy: it is heard before the time counts.
      const late = () => setImmediate(() => isAnswered || void this.#worker.terminate());
      const timer = timeoutMs === undefined ? undefined : setTimeout(late, timeoutMs);
      this.#asked.push((answer) => {
        isAnswered = true;
        clearTimeout(timer);
        resolve(answer);
      });
      this.#worker.postMessage(question);
    });
  }

  #end(why: string): void {
    this.#over ??= why;
    for (const settle of this.#asked.splice(0)) settle({ ok: false, isLost: true, why });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate();
  }
}
