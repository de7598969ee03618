/**
 * The class of an error and the first line of its stack, without its message. Errors of tokenizers,
 * templates and parsers quote the text that they failed on. That text is a client's prompt, which
 * an operator could otherwise read in the log.
 */
export function errorPlace(error: unknown): {
  readonly name: string;
  readonly at: string | undefined;
} {
  if (!(error instanceof Error)) return { name: typeof error, at: undefined };
  return { name: error.name, at: /^\s+at (.+)$/m.exec(error.stack ?? '')?.[1] };
}
