import type { StepResult } from '../decoders/decoder.ts';
import type { ScheduledSequence } from './scheduled-sequence.ts';
import type { Part, SequenceEnd, TakenPart } from './step-parts.ts';

/** Chooses the next tokens of all answers. */
export async function chooseTokens(
  parts: readonly Part[],
  { best, logits }: StepResult,
): Promise<TakenPart[]> {
  const taken: TakenPart[] = [];
  let output = 0;
  const vocabulary = logits === undefined ? 0 : logits.length / best.length;
  for (const part of parts) {
    const { sequence } = part;
    const length = sequence.tokens.length;
    let end: SequenceEnd | undefined;
    for (let i = 0; i < part.outputs; i += 1) {
      const at = output + i;
      const row = sequence.task.wantsLogits
        ? logits?.subarray(at * vocabulary, (at + 1) * vocabulary)
        : undefined;
      end = await choose(sequence, best[at] as number, row);
      const isDrafted = sequence.tokens[length + i] === part.drafted[i];
      if (end !== undefined || !isDrafted || sequence.isPaused || sequence.isCancelled) break;
    }
    output += part.outputs;
    // The last chosen token is not computed yet, also if it was drafted and the sequence paused.
    taken.push({ part, accepted: Math.max(0, sequence.tokens.length - length - 1), end });
  }
  return taken;
}

/** Returns the reason if the sequence ends with this step. */
async function choose(
  sequence: ScheduledSequence,
  best: number,
  row: Float32Array | undefined,
): Promise<SequenceEnd | undefined> {
  let token: number | undefined;
  try {
    token = await sequence.task.choose(best, row);
  } catch (cause) {
    return { why: 'failed', cause };
  }
  if (token === undefined) return { why: 'done' };
  sequence.tokens.push(token);
  return sequence.isFull ? { why: 'length' } : undefined;
}
