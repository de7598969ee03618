import { type Continuation, type Delta, FINISH_FAILURES } from '#bus-schemas';
import { RequestRefused, type Sink } from '../engine/engine.ts';

/**
 * The sink of an answer that another machine began. The engine writes the answer from its
 * beginning, out of the tokens of the other machine; the client gets only what it does not have.
 *
 *   repeating → continuing
 *        ↘ refused: the tokens do not give the text that the client has
 */
export function continuedSink(
  inner: Sink,
  continuation: Continuation | undefined,
  cancel: () => void,
): Sink {
  if (continuation === undefined) return inner;
  const known = new KnownPart(continuation);
  let isFirst = true;
  let isRefused = false;
  const refuse = () => {
    isRefused = true;
    inner.refuse(new RequestRefused('cannot_continue'));
    cancel();
  };
  return {
    begun: (prompt) => inner.begun?.(prompt),
    delta: (delta) => {
      if (isRefused) return;
      const rest = known.isOver ? delta : known.without(delta);
      if (rest === 'other') return refuse();
      if (rest === undefined) return;
      inner.delta(isFirst ? { ...rest, continued: continuation.tokens.length } : rest);
      isFirst = false;
    },
    end: (finish, usage, more) => {
      if (isRefused) return;
      if (!known.isOver && FINISH_FAILURES[finish] === undefined) return refuse();
      inner.end(finish, usage, more);
    },
    refuse: (refusal) => {
      if (!isRefused) inner.refuse(refusal);
    },
  };
}

/** The part of an answer that its client has, compared with the answer as it is written again. */
class KnownPart {
  #text: string;
  #calls: number;

  constructor({ text, calls }: Continuation) {
    this.#text = text;
    this.#calls = calls;
  }

  get isOver(): boolean {
    return this.#text === '' && this.#calls === 0;
  }

  /**
   * The part of a delta that the client does not have, or undefined if it has all of it; `other` if
   * it has something else.
   */
  without(delta: Delta): Delta | undefined | 'other' {
    const text = delta.text.slice(0, this.#text.length);
    if (!this.#text.startsWith(text)) return 'other';
    this.#text = this.#text.slice(text.length);
    const opens = delta.k === 'tool' && delta.name !== undefined;
    if (opens && this.#calls === 0) return text === '' && this.#text === '' ? delta : 'other';
    if (opens) this.#calls -= 1;
    if (text.length === delta.text.length) return undefined;
    const rest = { ...delta, text: delta.text.slice(text.length) };
    if (rest.k !== 'tool') return rest;
    const { id, name, ...others } = rest;
    return others;
  }
}
