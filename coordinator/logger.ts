import { type Logger, pino } from 'pino';

/**
 * Creates a logger that writes structured lines to stderr. Callers never pass a prompt, an answer,
 * a key or a token to it.
 */
export function createLogger(options: { name: string; level: string }): Logger {
  return pino(
    { name: options.name, level: options.level, base: { name: options.name } },
    pino.destination({ dest: 2, sync: false }),
  );
}
