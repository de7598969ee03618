/** The control tokens that Gemma 4 writes around the parts of its answers. */
export const GEMMA4_SIGNS = {
  thoughts: '<|channel>',
  thoughtsEnd: '<channel|>',
  call: '<|tool_call>',
  callEnd: '<tool_call|>',
  quote: '<|"|>',
} as const;

/** Written between `GEMMA4_SIGNS.thoughts` and the reasoning: the name of the channel. */
export const GEMMA4_CHANNEL = 'thought\n';

/**
 * The tokens after which Gemma 4 waits: the end of its turn, the beginning of another turn, and the
 * beginning of a tool's result, which follows calls.
 */
export const GEMMA4_END_TOKENS = ['<turn|>', '<|turn>', '<|tool_response>'] as const;

/**
 * True if a vocabulary is that of Gemma 4. The vocabulary decides and not the template, because the
 * model writes its reasoning between these tokens whatever its template says.
 */
export const isGemma4 = (has: (token: string) => boolean): boolean =>
  has(GEMMA4_SIGNS.thoughts) && has(GEMMA4_SIGNS.thoughtsEnd);
