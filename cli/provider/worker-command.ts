import type { Settings } from '#provider/service/settings.ts';
import { guestArguments } from './guest-options.ts';
import { prefixArguments } from './prefix-options.ts';
import { thisProgram } from './this-program.ts';

/** The command line with which the background service starts its worker. */
export const workerCommand = (home: string, settings: Settings): readonly [string, ...string[]] => [
  process.execPath,
  thisProgram(),
  'provider',
  ...['--home', home, '--coordinator', settings.coordinator, '--engine', settings.engine],
  ...['--concurrency', String(settings.concurrency)],
  ...['--idle-minutes', String(settings.idleMinutes)],
  ...['--memory-percent', String(settings.memoryPercent ?? 100)],
  ...['--local', String(settings.local ?? 0)],
  ...['--desired', settings.desired ?? 'ask'],
  ...prefixArguments(settings),
  ...guestArguments(settings),
  ...settings.models.flatMap((model) => ['--model', model]),
  ...(settings.link ? ['--link'] : []),
  ...(settings.upstream ?? []),
];
