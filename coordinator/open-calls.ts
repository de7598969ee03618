import { CodedError } from '#bus-schemas/coded-error.ts';

/**
 * `no_responders`: the hub reports that no process listens on the subject. `unavailable`: the
 * connection broke, or the answer will not come.
 */
export type RequestFailure = 'no_responders' | 'unavailable' | 'timeout' | 'closed';

/** A request that got no answer. */
export class RequestError extends CodedError<RequestFailure> {
  constructor(code: RequestFailure, subject: string) {
    super(code, `${subject}: ${code}`);
  }
}

interface OpenCall<Answer> {
  readonly subject: string;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: RequestError) => void;
  readonly timer: NodeJS.Timeout;
}

/** Calls that wait for their answers. Each ends once: by its answer, a failure or its time limit. */
export class OpenCalls<Answer> {
  readonly #open = new Map<string, OpenCall<Answer>>();
  #last = 0;

  /** Opens a call. `token` names it in the other methods. */
  open(subject: string, timeoutMs: number): { token: string; answer: Promise<Answer> } {
    this.#last += 1;
    const token = this.#last.toString(36);
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const timer = setTimeout(() => this.fail(token, 'timeout'), timeoutMs);
    this.#open.set(token, { subject, resolve, reject, timer });
    return { token, answer: promise };
  }

  /** Has no effect on a call that has ended, like `fail`. */
  answered(token: string, answer: Answer): void {
    this.#end(token)?.resolve(answer);
  }

  fail(token: string, code: RequestFailure): void {
    const call = this.#end(token);
    call?.reject(new RequestError(code, call.subject));
  }

  failAll(code: RequestFailure): void {
    for (const token of [...this.#open.keys()]) this.fail(token, code);
  }

  failAllOf(subject: string, code: RequestFailure): void {
    for (const [token, call] of [...this.#open])
      if (call.subject === subject) this.fail(token, code);
  }

  #end(token: string): OpenCall<Answer> | undefined {
    const call = this.#open.get(token);
    if (call === undefined) return undefined;
    this.#open.delete(token);
    clearTimeout(call.timer);
    return call;
  }
}
