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
