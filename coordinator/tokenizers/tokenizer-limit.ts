/** Maximum size of a file. The largest published `tokenizer.json` (Gemma 3) has 33 MB. */
export const MAX_TOKENIZER_BYTES = 48 * 1024 * 1024;
