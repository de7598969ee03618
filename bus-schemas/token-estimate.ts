/**
 * Assumed size of a token of a prompt, in bytes, where no tokenizer has counted: for limits,
 * routing, charges without a report of the provider, and the counts of simulated machines.
 */
export const BYTES_PER_TOKEN = 4;
