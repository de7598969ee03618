import { Worker } from 'node:worker_threads';
import { type InferenceRequest, MAX_SCHEMA_CHARACTERS } from '#bus-schemas';
import { CodedError } from '#bus-schemas/coded-error.ts';
import { MISTRAL_SIGNS } from '../../models/mistral-format.ts';
import type { VocabularyFacts } from '../../models/tokenizer.ts';
import type { ToolStyle } from '../../models/tool-style.ts';
import { gemma4Arguments } from './gemma4-grammar.ts';
import { glmArguments } from './glm-grammar.ts';
import type { GrammarAnswer, GrammarQuestion } from './grammar-thread.ts';
import type { TokenMask } from './sampler.ts';

type Chat = InferenceRequest['chat'];

/** The required form of an answer, in XGrammar's structural tag format. */
export type AnswerFormat = Readonly<Record<string, unknown>>;

const CHECK_MS = 2_000;

/**
 * Returns the form that the request requires of the answer, or undefined if any text is allowed.
 */
export function formatOf(chat: Chat, style: ToolStyle | undefined): AnswerFormat | undefined {
  const { tools, isRequired, stopsAfterFirst } = callableTools(chat);
  if (tools !== undefined && style !== undefined) {
    const tags = tools.map(({ function: { name, parameters = { type: 'object' } } }) => ({
      type: 'tag',
      ...callOf(style, name, parameters),
    }));
    return {
      type: 'triggered_tags',
      triggers: [style.trigger],
      tags,
      at_least_one: isRequired,
      stop_after_first: stopsAfterFirst,
    };
  }
  const schema = wantedSchema(chat);
  return schema === undefined ? undefined : { type: 'json_schema', json_schema: schema };
}

/** A call of one tool, in the format of a tag. */
function callOf(style: ToolStyle, name: string, parameters: object): object {
  switch (style.form) {
    case 'json':
      return {
        begin: `${style.begin}{"name": ${JSON.stringify(name)}, "${style.argumentsName}": `,
        content: { type: 'json_schema', json_schema: parameters },
        end: `}${style.end}`,
      };
    case 'parameters':
      return {
        begin: `${style.begin}<function=${name}>\n`,
        content: { type: 'qwen_xml_parameter', json_schema: parameters },
        end: `\n</function>${style.end}`,
      };
    case 'pairs':
      return {
        begin: `${style.begin}${name}${style.separator}`,
        content: glmArguments(parameters, style.separator ?? ''),
        end: style.end,
      };
    case 'gemma4':
      return {
        begin: `${style.begin}${name}{`,
        content: { type: 'grammar', grammar: gemma4Arguments(parameters) },
        end: `}${style.end}`,
      };
    case 'name':
      return {
        begin: `${style.begin}${name}${MISTRAL_SIGNS.callArguments}`,
        content: { type: 'json_schema', json_schema: parameters },
        end: style.end,
      };
    case 'name and id':
      return {
        begin: `${style.begin}${name}${MISTRAL_SIGNS.callId}`,
        content: {
          type: 'sequence',
          elements: [
            { type: 'regex', pattern: '[a-zA-Z0-9]{9}' },
            { type: 'const_string', value: MISTRAL_SIGNS.callArguments },
            { type: 'json_schema', json_schema: parameters },
          ],
        },
        end: style.end,
      };
  }
}

/** The tools that an answer may call, undefined if none are offered, and whether it must call one. */
export function callableTools({
  tools = [],
  tool_choice: choice = 'auto',
  parallel_tool_calls: parallel = true,
}: Chat) {
  const isNamed = typeof choice === 'object';
  const named = isNamed
    ? tools.filter(({ function: { name } }) => name === choice.function.name)
    : tools;
  return {
    tools: choice === 'none' || tools.length === 0 ? undefined : named,
    isRequired: choice !== 'auto',
    stopsAfterFirst: isNamed || !parallel,
  };
}

/** The JSON schema that `response_format` requires of the answer. */
export function wantedSchema({ response_format: wanted }: Chat): object | undefined {
  if (wanted === undefined || wanted.type === 'text') return undefined;
  return (
    (wanted.type === 'json_schema' ? wanted.json_schema?.schema : undefined) ?? { type: 'object' }
  );
}

/**
 * The schema cannot be made into a grammar, which is the client's fault. The message may quote the
 * schema, so it is sent only to the client and never logged.
 */
export class GrammarError extends CodedError<'invalid_schema'> {
  constructor(message: string, options?: ErrorOptions) {
    super('invalid_schema', message, options);
  }
}

/**
 * The grammar thread ended, perhaps because of another client's schema. It counts as this machine's
 * fault.
 */
class GrammarThreadError extends CodedError<'thread_ended'> {
  constructor(message: string) {
    super('thread_ended', message);
  }
}

/** The grammar of one answer, advanced token by token. */
export interface Constraint {
  /**
   * The tokens allowed next, or undefined if the answer is complete. Computed while the decoder
   * runs.
   */
  mask(): Promise<TokenMask | undefined>;
  accept(token: number): void;
  close(): void;
}

/**
 * Runs grammars on a separate thread, after checking each schema on another one. A schema that
 * crashes the library or takes too long in the check ends only the thread that checks.
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

  /** Compiles a grammar. Throws GrammarError if it is invalid or allows no token. */
  async open(format: AnswerFormat): Promise<Constraint> {
    const text = JSON.stringify({ type: 'structural_tag', format });
    if (text.length > MAX_SCHEMA_CHARACTERS)
      throw new GrammarError(
        `The schema is too large: at most ${MAX_SCHEMA_CHARACTERS} characters are allowed.`,
      );
    // Checks run one at a time, so that a schema that ends the thread does not fail another
    // client's check.
    const check = this.#checks.then(() => this.#check(text));
    this.#checks = check.catch(() => undefined);
    await check;
    const runner = this.#liveRunner();
    const id = this.#next++;
    const constraint = new RunningConstraint(
      runner,
      id,
      runner.ask({ op: 'open', id, format: text }),
    );
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
    throw new GrammarError(
      tried.isLost ? `The schema cannot be checked within ${CHECK_MS} ms.` : tried.why,
    );
  }

  /** Replaces a thread that has ended, so that later requests can use grammars. */
  #liveRunner(): GrammarThread {
    if (this.#runner === undefined || this.#runner.isOver) {
      this.#runner = new GrammarThread();
      void this.#runner.ask({ op: 'vocabulary', ...this.#vocabulary, endTokens: this.#endTokens });
    }
    return this.#runner;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      [this.#tester, this.#runner].map((thread) => thread?.[Symbol.asyncDispose]()),
    );
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

/** A worker thread. Its answers arrive in the order of the questions. */
class GrammarThread implements AsyncDisposable {
  readonly #worker: Worker;
  readonly #pending: ((answer: GrammarAnswer) => void)[] = [];
  #over: string | undefined;

  constructor() {
    // The library's output may quote the consumer's schema, which is private, so it is discarded.
    this.#worker = new Worker(new URL('./grammar-thread.ts', import.meta.url), {
      stdout: true,
      stderr: true,
    });
    this.#worker.stdout.resume();
    this.#worker.stderr.resume();
    this.#worker.unref();
    this.#worker.on('message', (answer: GrammarAnswer) => this.#pending.shift()?.(answer));
    this.#worker.on('error', () => this.#end('the grammar thread failed'));
    this.#worker.on('exit', () => this.#end('the grammar thread has ended'));
  }

  get isOver(): boolean {
    return this.#over !== undefined;
  }

  ask(question: GrammarQuestion, timeoutMs?: number): Promise<GrammarAnswer> {
    if (this.#over !== undefined)
      return Promise.resolve({ ok: false, isLost: true, why: this.#over });
    return new Promise((resolve) => {
      let isAnswered = false;
      // If the event loop was busy, an answer may already be queued. setImmediate delivers it
      // before the timeout counts.
      const late = () => setImmediate(() => isAnswered || void this.#worker.terminate());
      const timer = timeoutMs === undefined ? undefined : setTimeout(late, timeoutMs);
      this.#pending.push((answer) => {
        isAnswered = true;
        clearTimeout(timer);
        resolve(answer);
      });
      this.#worker.postMessage(question);
    });
  }

  #end(why: string): void {
    this.#over ??= why;
    for (const settle of this.#pending.splice(0)) settle({ ok: false, isLost: true, why });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate();
  }
}
