/**
 * Limits within which a reported number of tokens may exceed the number that the model's tokenizer
 * finds in a text. The coordinator recounts answers by them, and a provider checks its model server
 * by the same ones, because the provider answers for what it bills.
 */

/**
 * Most reported tokens for each counted one with usual settings: the model was trained on texts
 * that this tokenizer split, so it mostly writes the same tokens.
 */
export const REPORTED_PER_COUNTED = 1.25;
/** Tokens of the end of the answer, the marks around reasoning, and parts of characters. */
export const UNSEEN_TOKENS = 32;
