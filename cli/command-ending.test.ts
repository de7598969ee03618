import { CommanderError } from 'commander';
import { expect, test } from 'vitest';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import { ConfigError } from '#bus-schemas/settings/settings.ts';
import { RotationError } from '#coordinator/founding/rotation-error.ts';
import { DownloadError } from '#provider/downloads/download-error.ts';
import { commandEnding } from './command-ending.ts';

test.each([
  [new CommandError(EXIT.usage, 'the reason'), 64],
  [new ConfigError('the reason'), 64],
  [new RotationError('the reason'), 1],
  [new DownloadError('not_found', 'the reason'), 64],
  [new DownloadError('unreachable', 'the reason'), 69],
  [new DownloadError('busy', 'the reason'), 69],
  [new DownloadError('no_space', 'the reason'), 74],
  [new DownloadError('wrong_bytes', 'the reason'), 1],
  [new DownloadError('refused', 'the reason'), 1],
  [new DownloadError('unfit', 'the reason'), 1],
  [Object.assign(new Error('the reason'), { code: 'ENOSPC' }), 74],
  [Object.assign(new Error('the reason'), { code: 'ENOENT' }), 1],
])('a command that throws %o prints its message and ends with code %i', (error, code) => {
  expect(commandEnding(error)).toEqual({ code, line: 'the reason' });
});

test('a wrong command line ends with code 64, and its message is not printed twice', () => {
  const error = new CommanderError(1, 'commander.unknownOption', 'unknown option --x');
  expect(commandEnding(error)).toEqual({ code: 64, line: undefined });
});
