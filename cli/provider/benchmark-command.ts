import { type Command, Option } from 'commander';
import { setting } from '#bus-schemas/settings/settings.ts';
import { BACKENDS } from '#provider/engine/backend-names.ts';
import { percent, positiveWholeNumber } from '../option-parsers.ts';
import type { BenchmarkCommand } from './benchmark.ts';
import { AUTO } from './engines.ts';
import { homeOption } from './serve-options.ts';

/** Adds `dinf provider benchmark`. The code that measures is loaded only when it is called. */
export function addBenchmarkCommand(provider: Command): void {
  provider
    .command('benchmark')
    .argument(
      '[models...]',
      'model folders or names; by default the models that this machine serves',
    )
    .description(
      'measure how fast this machine reads prompts and writes answers, and announce that',
    )
    .addOption(homeOption())
    .addOption(
      new Option('--engine <name>', 'engine that runs the models; auto is the best that runs here')
        .choices([AUTO, ...BACKENDS])
        .default(AUTO),
    )
    .option(
      '--concurrency <n>',
      'most requests at the same time',
      positiveWholeNumber,
      setting('DINF_CONCURRENCY'),
    )
    .option(
      '--memory-percent <n>',
      'percent of the memory for models that may be used',
      percent,
      100,
    )
    .option(
      '--minutes <n>',
      'go on for this long, and show whether speed and temperature stay the same',
      positiveWholeNumber,
    )
    .option('--json', 'print the figures as JSON')
    .action(async (models: string[], options: BenchmarkCommand) => {
      const { benchmark } = await import('./benchmark.ts');
      await benchmark(models, options);
    });
}
