import { type Logger, pino } from 'pino';

/** Structured lines on stderr. No prompt, completion, key or token is ever handed to it. */
export function createLogger(options: { name: string; level: string }): Logger {
  return pino(
    { name: options.name, level: options.level, base: { name: options.name } },
    pino.destination({ dest: 2, sync: false }),
  );
}
