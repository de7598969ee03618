import { resolve } from 'node:path';
import type { Command } from 'commander';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import type { Fit } from '#provider/downloads/fit.ts';
import { addImportCommand } from './import-command.ts';
import { homeOption } from './serve-options.ts';

/** Adds the commands for the models on this machine, which are in the cache of Hugging Face. */
export function addOwnModelCommands(provider: Command): void {
  const models = provider
    .command('models')
    .description('find, download and check the models of this machine');
  models
    .command('search')
    .argument('<text>', 'a part of the name')
    .description('list models of Hugging Face that the engines may run')
    .action(search);
  models
    .command('show')
    .argument('<name>', 'a repository, for example mlx-community/Qwen3-4B-4bit')
    .option('--revision <name>', 'a branch or a commit', 'main')
    .description('show whether a model fits this machine, and how fast it can be')
    .action((name: string, { revision }: { revision: string }) => show(name, revision));
  models
    .command('pull')
    .argument('<name>', 'a repository, for example mlx-community/Qwen3-4B-4bit')
    .option('--revision <name>', 'a branch or a commit', 'main')
    .option('--force', 'download a model that this machine cannot run')
    .addOption(homeOption())
    .description('download a model; an interrupted download is continued')
    .action(pull);
  addImportCommand(models);
  models.command('list').description('list the models on this machine').action(list);
  models
    .command('remove')
    .argument('<name>', 'a repository')
    .description('delete a model from this machine')
    .action(remove);
  models
    .command('verify')
    .argument('<name>', 'a repository')
    .description('read all files of a model and compare their digests')
    .action(verify);
}

async function checkName(name: string): Promise<void> {
  const { isRepository } = await import('#provider/downloads/hub-cache.ts');
  if (!isRepository(name))
    throw new CommandError(
      EXIT.usage,
      `${name} is not the name of a repository, such as mlx-community/Qwen3-4B-4bit.`,
    );
}

async function search(text: string): Promise<void> {
  const { HubApi } = await import('#provider/downloads/hub-api.ts');
  const found = await new HubApi().search(text);
  if (found.length === 0) console.log(`No model for MLX has "${text}" in its name.`);
  for (const { id, downloads } of found)
    console.log(`${id}${downloads === undefined ? '' : `  ${downloads} downloads`}`);
}

async function show(name: string, revision: string): Promise<void> {
  await checkName(name);
  const { HubApi } = await import('#provider/downloads/hub-api.ts');
  const { inspectModel } = await import('#provider/downloads/pull-model.ts');
  const { model, fit } = await inspectModel(new HubApi(), name, revision);
  console.log(`${name} at ${model.commit}, ${model.files.length} files`);
  console.log(await fitText(fit));
}

async function fitText({
  problem,
  weightBytes,
  memoryBytes,
  mostTokensPerSecond,
}: Fit): Promise<string> {
  if (problem !== undefined) return problem;
  const { gb } = await import('#provider/downloads/fit.ts');
  const speed =
    mostTokensPerSecond === undefined
      ? ''
      : ` One answer gets at most ${Math.round(mostTokensPerSecond)} tokens/s here.`;
  return `It fits: ${gb(weightBytes)} of weights, and ${gb(memoryBytes)} of memory for models.${speed}`;
}

interface PullOptions {
  readonly revision?: string;
  readonly force?: boolean;
  /** Home of the machine whose service counts a failed download; none without a machine. */
  readonly home?: string;
}

async function pull(name: string, options: PullOptions): Promise<void> {
  await pullWithProgress(name, options);
  console.log(`"dinf provider start --model ${name}" serves it.`);
}

/** Downloads a model, and shows how far it is. */
export async function pullWithProgress(
  name: string,
  { revision = 'main', force = false, home }: PullOptions = {},
): Promise<void> {
  await checkName(name);
  const { HubApi } = await import('#provider/downloads/hub-api.ts');
  const { pullModel } = await import('#provider/downloads/pull-model.ts');
  const { ProgressLine } = await import('./progress-line.ts');
  const stopped = new AbortController();
  process.once('SIGINT', () => stopped.abort());
  using line = new ProgressLine(process.stderr, () => performance.now());
  try {
    await pullModel({
      hub: new HubApi(),
      name,
      revision,
      force,
      signal: stopped.signal,
      onFit: (fit) => void fitText(fit).then((text) => line.print(text)),
      onProgress: (progress) => line.show(progress),
    });
  } catch (error) {
    if (!stopped.signal.aborted) {
      if (home !== undefined) await noteFailure(home);
      throw error;
    }
    throw new CommandError(
      EXIT.failure,
      'Interrupted. The same command continues the download where it stopped.',
    );
  }
  line.print(`${name} is complete.`);
}

/** The service counts the failure for the operator, if one runs. */
async function noteFailure(home: string): Promise<void> {
  const { ControlClient } = await import('#provider/service/control-client.ts');
  await new ControlClient(resolve(home)).note('download_failed').catch(() => undefined);
}

async function list(): Promise<void> {
  const { cachedModels } = await import('#provider/downloads/cached-models.ts');
  const { gb } = await import('#provider/downloads/fit.ts');
  const models = await cachedModels();
  if (models.length === 0)
    console.log('No model is on this machine. "dinf provider models pull NAME" downloads one.');
  for (const { name, bytes, isComplete } of models)
    console.log(`${name}  ${gb(bytes)}${isComplete ? '' : '  (not complete)'}`);
}

async function remove(name: string): Promise<void> {
  await checkName(name);
  const { removeModel } = await import('#provider/downloads/cached-models.ts');
  if (!(await removeModel(name)))
    throw new CommandError(EXIT.usage, `${name} is not on this machine.`);
  console.log(`${name} was deleted.`);
}

async function verify(name: string): Promise<void> {
  await checkName(name);
  const { cachedModels, damagedFiles } = await import('#provider/downloads/cached-models.ts');
  if (!(await cachedModels()).some((model) => model.name === name && model.isComplete))
    throw new CommandError(EXIT.usage, `${name} is not complete on this machine.`);
  const { checked, damaged } = await damagedFiles(name);
  if (damaged.length > 0)
    throw new CommandError(
      EXIT.failure,
      `${damaged.join(', ')} of ${name} changed on the disk. Remove the model and download it again.`,
    );
  console.log(`${name}: all ${checked} files are as the hub states them.`);
}
