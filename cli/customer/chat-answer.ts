import { once } from 'node:events';
import { styleText } from 'node:util';
import type { InferenceEnd } from '#bus-schemas';
import type { SealedEvent, SealedServing } from '#client';
import { usd } from '../printed-values.ts';

export interface Message {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/** Sends a conversation, and returns the events of its answer. */
export type Ask = (
  messages: readonly Message[],
  signal: AbortSignal,
) => Promise<AsyncGenerator<SealedEvent, InferenceEnd>>;

/** An answer, whole or as far as it came before it was cancelled. */
export interface Answered {
  readonly text: string;
  readonly ms: number;
  /** The machine that answers; undefined if it was cancelled before there was one. */
  readonly serving: SealedServing | undefined;
  /** Undefined if the answer was cancelled. */
  readonly end: InferenceEnd | undefined;
}

/**
 * Removes control characters, except line feed and tab, from a text of a machine or a coordinator.
 * A hostile one could otherwise write escape sequences that change the clipboard of the terminal or
 * hide lines.
 */
export const printable = (text: string): string => text.replace(/[^\P{Cc}\n\t]/gu, '');

/**
 * Prints an answer while it arrives, no faster than the output takes it. Reasoning is printed only
 * in a terminal. Throws if the answer fails, but not if it is cancelled.
 */
export async function printAnswer(
  ask: (signal: AbortSignal) => ReturnType<Ask>,
  output: NodeJS.WriteStream | (NodeJS.WritableStream & { isTTY?: boolean }),
  signal: AbortSignal,
): Promise<Answered> {
  const begun = performance.now();
  let [text, serving] = ['', undefined as SealedServing | undefined];
  let wasReasoning = false;
  const print = async (part: string) => {
    if (!output.write(part)) await once(output, 'drain', { signal });
  };
  const answered = (end: InferenceEnd | undefined): Answered => ({
    text,
    ms: performance.now() - begun,
    serving,
    end,
  });
  try {
    const events = await ask(signal);
    for (;;) {
      const { done, value } = await events.next();
      if (done) return answered(value);
      if (value.k === 'serving') serving = value;
      else if (value.k === 'reasoning') {
        if (output.isTTY) await print(styleText('dim', printable(value.text)));
        wasReasoning = true;
      } else if (value.k === 'text') {
        if (output.isTTY && wasReasoning) await print('\n\n');
        wasReasoning = false;
        text += value.text;
        await print(output.isTTY ? printable(value.text) : value.text);
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    return answered(undefined);
  }
}

/** Ends of an answer that its reader must know about. */
const NOTES: Partial<Record<InferenceEnd['finish'], string>> = {
  length: 'it ended at the limit of tokens',
  error: 'the machine failed',
  cancelled: 'the machine cancelled it',
};

/** One line about an answer: its tokens, its cost in millionths of a dollar, and its machine. */
export function summaryOf({ end, ms, serving }: Answered, microUsd: number | undefined): string {
  const seconds = ms / 1_000;
  const parts: string[] = [];
  if (end === undefined) parts.push('cancelled');
  else {
    const { promptTokens, completionTokens } = end.usage;
    const speed = `${seconds.toFixed(1)} s, ${Math.round(completionTokens / seconds)} tok/s`;
    parts.push(`${promptTokens} tokens in, ${completionTokens} out (${speed})`);
    const note = NOTES[end.finish];
    if (note !== undefined) parts.push(note);
  }
  if (serving !== undefined) {
    const { provider, level, evidence } = serving.offer;
    parts.push(
      microUsd === undefined ? `cost not booked yet (${serving.job})` : `cost ${usd(microUsd)}`,
      `machine ${provider.slice(0, 8)} (${[
        level,
        ...(evidence.simulated ? ['simulated'] : []),
        ...(evidence.engine === 'external' ? ['external engine'] : []),
      ].join(', ')})`,
    );
  }
  return parts.join('; ');
}
