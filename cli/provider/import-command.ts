import { join, parse, resolve } from 'node:path';
import type { Command } from 'commander';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';

interface ImportFlags {
  readonly to?: string;
  readonly tokenizer?: string;
}

export function addImportCommand(models: Command): void {
  models
    .command('import')
    .argument('<file>', 'a GGUF file')
    .option('--to <folder>', 'the folder to make (default: the name of the file without .gguf)')
    .option(
      '--tokenizer <folder>',
      'take the tokenizer and the chat template from this folder of the same model',
    )
    .description('convert a GGUF file to a folder that the engines read')
    .action(importFile);
}

async function importFile(file: string, { to, tokenizer }: ImportFlags): Promise<void> {
  const { importGguf } = await import('#provider/models/gguf/import-gguf.ts');
  const { ModelError } = await import('#provider/models/model-error.ts');
  const { ProgressLine } = await import('./progress-line.ts');
  const { dir, name } = parse(resolve(file));
  using line = new ProgressLine(process.stderr, () => performance.now());
  const { folder, rounded } = await importGguf({
    file,
    to: to ?? join(dir, name),
    ...(tokenizer !== undefined && { tokenizerFrom: tokenizer }),
    onProgress: (progress) => line.show(progress),
  }).catch((error: unknown) => {
    if (!(error instanceof ModelError)) throw error;
    throw new CommandError(EXIT.failure, `${file} was not imported. ${error.message}.`, {
      cause: error,
    });
  });
  if (rounded.size > 0)
    line.print(
      `Rounded a second time: ${[...rounded].map(([format, count]) => `${count} tensors of ${format}`).join(', ')}.`,
    );
  line.print(`${folder} is complete. "dinf provider start --model ${folder}" serves it.`);
}
