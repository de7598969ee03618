import type { DraftStep } from '../decoders/decoder.ts';
import { type AssistedPart, assistedStepOf } from '../decoders/step.ts';
import { type Guard, stepLimitMs } from '../guarded-work.ts';
import type { Speeds } from '../scheduling/speeds.ts';
import { DraftChains } from './draft-chains.ts';
import type { DraftSource, KeptStates } from './draft-source.ts';
import { RecentTimes } from './recent-times.ts';

interface DraftAssistantOptions {
  readonly draft: (step: DraftStep) => Promise<Int32Array>;
  readonly vocabulary: number;
  /** Time of one pass, as it was measured when the model was loaded, in milliseconds. */
  readonly stepMs: number;
  readonly speeds: Speeds;
  readonly guard: Guard;
  readonly clock: () => number;
  /** Called once if the assistant fails. From then on it drafts nothing. */
  readonly onFailure: (error: unknown) => void;
}

/** A text with the states that the decoder kept of the last step. */
interface AssistedText {
  readonly pages: Int32Array;
  readonly kept: KeptStates;
  /** The place of the last token whose keys are cached. */
  readonly at: number;
  /** The index of this text's token in the last pass. */
  index: number;
}

interface TextPart {
  readonly text: AssistedText;
  readonly part: AssistedPart;
}

/**
 * A small model that drafts the answers of one other model. It reads the keys and values of the answer and
 * the state before its last token, so that it has nothing to read first and nothing of its own to keep:
 * it drafts as well after a prefix that was restored, and after a pause.
 */
export class DraftAssistant {
  readonly #options: DraftAssistantOptions;
  readonly #chains: DraftChains<AssistedText, TextPart>;
  readonly #times: RecentTimes;

  constructor(options: DraftAssistantOptions) {
    this.#options = options;
    this.#times = new RecentTimes(options.stepMs);
    this.#chains = new DraftChains({
      vocabulary: options.vocabulary,
      first: ({ text, tokens }) => {
        const before = text.kept.index + text.at - text.kept.from;
        return partOf(text, { token: tokens.at(-1) as number, before });
      },
      next: ({ text }, token) => partOf(text, { token, before: text.index }),
      pass: (parts, isFirst) => this.#pass(parts, isFirst),
      onFailure: options.onFailure,
    });
  }

  /** Returns the source for an answer with these pages, those of its prompt included. */
  begin(pages: Int32Array): DraftSource {
    // The state before the last token must be one of the last step.
    const isPossible = (
      { length }: readonly number[],
      kept: KeptStates | undefined,
    ): kept is KeptStates =>
      !this.#chains.hasFailed && kept !== undefined && length - 2 >= kept.from;
    return {
      isCheap: false,
      expectedMs: (tokens, count, kept) => {
        if (count === 0) return 0;
        return isPossible(tokens, kept) ? count * this.#times.middle : Number.POSITIVE_INFINITY;
      },
      draft: (tokens, most, kept) => {
        if (most === 0 || !isPossible(tokens, kept)) return [];
        const text = { pages, kept, at: tokens.length - 2, index: 0 };
        return this.#chains.draft({ text, tokens, most });
      },
    };
  }

  async #pass(parts: readonly TextPart[], isFirst: boolean): Promise<Int32Array> {
    const { draft, guard, speeds, clock } = this.#options;
    for (const [index, { text }] of parts.entries()) text.index = index;
    const step = assistedStepOf(
      parts.map(({ part }) => part),
      !isFirst,
    );
    const began = clock();
    const best = await guard({ kind: 'step', limitMs: stepLimitMs(speeds, parts.length) }, () =>
      draft(step),
    );
    this.#times.add(clock() - began);
    return best;
  }
}

const partOf = (
  text: AssistedText,
  { token, before }: Pick<AssistedPart, 'token' | 'before'>,
): TextPart => ({ text, part: { token, before, at: text.at, pages: text.pages } });
