/**
 * Where an error was thrown, without its message: errors of tokenizers, templates and parsers quote
 * the text that they failed on, which
 * is the client's and must not reach a log.
 */
export function errorPlace(error: unknown): {
  readonly name: string;
  readonly at: string | undefined;
} {
  if (!(error instanceof Error)) return { name: typeof error, at: undefined };
  return { name: error.name, at: /^\s+at (.+)$/m.exec(error.stack ?? '')?.[1] };
}
