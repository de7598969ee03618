import type { PromptUsage } from '#bus-schemas';
import type { Sink } from './engine.ts';

/** A sink that passes the tokens of the prompt on in its first delta. */
export function withPromptUsage(sink: Omit<Sink, 'begun'>): Sink {
  let waiting: PromptUsage | undefined;
  return {
    ...sink,
    begun: (prompt) => {
      waiting = prompt;
    },
    delta: (delta) => {
      const prompt = waiting;
      waiting = undefined;
      sink.delta(prompt === undefined ? delta : { ...delta, prompt });
    },
  };
}
