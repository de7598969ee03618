import { Worker } from 'node:worker_threads';
import { MAX_SCHEMA_CHARACTERS } from '#bus-schemas';
import { CodedError } from '#bus-schemas/coded-error.ts';
import type { VocabularyFacts } from '../../models/tokenizer.ts';
import type { GrammarAnswer, GrammarQuestion } from './grammar-thread.ts';
import type { RequiredForm } from './required-form.ts';
import type { TokenMask } from './sampler.ts';

const CHECK_MS = 2_000;

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
  async open(format: RequiredForm): Promise<Constraint> {
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
