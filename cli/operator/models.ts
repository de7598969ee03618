import { type Command, InvalidArgumentError } from 'commander';
import type { CatalogModel, NewModel, Trait } from '#bus-schemas';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import type { Bus } from '#coordinator/bus.ts';
import { microUsd, names, positiveWholeNumber } from '../option-parsers.ts';
import { addModelLifeCommands } from './model-life.ts';
import { withBus } from './with-bus.ts';

interface ModelOptions {
  readonly build?: string[];
  readonly title?: string;
  readonly context?: number;
  readonly maxOutput?: number;
  readonly traits?: Trait[];
  readonly inputPrice?: number;
  readonly cachePrice?: number;
  readonly outputPrice?: number;
  readonly weights?: Record<string, string>;
  readonly tokenizer?: string;
  readonly description?: string;
  readonly huggingFace?: string;
  readonly minMemory?: number;
}

const CALL = { timeoutMs: 5_000 };
const MICRO_USD = 1_000_000;
const SMALLEST = { promptTokens: 1, maxOutputTokens: 1 };
const HASH = /^[0-9a-f]{64}$/;

/** `dinf models …`: which models the network offers, for its operator. */
export function addModelCommands(program: Command): void {
  const models = program
    .command('models')
    .description('the models that this network offers to everybody');
  models
    .command('list')
    .description('every model, its aliases and prices, and how many machines could serve it now')
    .option('--json', 'for programs')
    .action((options: { json?: boolean }) => withBus((bus) => list(bus, options)));
  withModelOptions(models.command('add').argument('<name>', 'what callers write in "model"'))
    .description(
      'offer a model; what is left out is taken from a machine that serves the build now',
    )
    .action((name: string, options: ModelOptions) => withBus((bus) => add(bus, name, options)));
  withModelOptions(models.command('set').argument('<name>', 'a model that is offered'))
    .description('change what is given, and keep the rest')
    .action((name: string, options: ModelOptions) => withBus((bus) => set(bus, name, options)));
  models
    .command('remove')
    .argument('<name>', 'a model or an alias')
    .description('offer it no more; requests that run are finished')
    .action((name: string) => withBus((bus) => remove(bus, name)));
  models
    .command('alias')
    .argument('<alias>', 'another name')
    .argument('<model>', 'the model that it stands for')
    .description('give a model another name, or move a name to another model')
    .action((alias: string, model: string) => withBus((bus) => setAlias(bus, alias, model)));
  addModelLifeCommands(models);
}

function withModelOptions(command: Command): Command {
  return command
    .option(
      '--build <build...>',
      'the builds that may serve it, the wanted one first; the name itself when left out',
    )
    .option('--title <text>', 'its name for people')
    .option('--context <tokens>', 'the longest prompt and answer together', positiveWholeNumber)
    .option('--max-output <tokens>', 'the longest answer', positiveWholeNumber)
    .option(
      '--traits <traits>',
      'what it can do: tools, vision, reasoning',
      (text: string) => names(text).filter((trait) => trait !== '') as Trait[],
    )
    .option('--input-price <usd>', 'dollars for a million prompt tokens', microUsd)
    .option(
      '--cache-price <usd>',
      'dollars for a million prompt tokens that the machine had in its cache',
      microUsd,
    )
    .option('--output-price <usd>', 'dollars for a million tokens of the answer', microUsd)
    .option(
      '--weights <build=hash...>',
      'the digest of a build as "dinf weights" prints it: machines with other files do not serve it',
      pinned,
      {},
    )
    .option('--description <text>', 'a description for people')
    .option('--hugging-face <id>', 'the repository of the weights, such as Qwen/Qwen3-4B')
    .option('--min-memory <gib>', 'memory that a machine needs for it', positiveWholeNumber)
    .option(
      '--tokenizer <path>',
      "the model's tokenizer.json, or its folder: samples of the answers are recounted with it. It is copied into DINF_HOME, where each ingress needs it",
    );
}

function pinned(text: string, before: Record<string, string>): Record<string, string> {
  const [build = '', hash = ''] = text.split('=', 2);
  if (build === '' || !HASH.test(hash))
    throw new InvalidArgumentError('must be a build, "=", and 64 hexadecimal digits');
  return { ...before, [build]: hash };
}

async function list(bus: Bus, { json = false }: { json?: boolean }): Promise<void> {
  const { services } = await import('#bus-schemas');
  const [{ models, aliases = [] }, { builds: served }] = await Promise.all([
    bus.call(services.catalog.snapshot, {}, CALL),
    bus.call(services.routing.capacity, {}, CALL),
  ]);
  if (!json && models.length === 0)
    console.log('No model is offered. "dinf models add <build>" offers one that a machine serves.');
  for (const model of models) {
    const machines = served.reduce(
      (sum, { build, providers }) => sum + (model.builds.includes(build) ? providers : 0),
      0,
    );
    const names = aliases.flatMap(({ alias, model: id }) => (id === model.id ? [alias] : []));
    if (json) console.log(JSON.stringify({ ...model, aliases: names, machines }));
    else console.log(line(model, names, machines));
  }
}

function line(model: CatalogModel, aliases: readonly string[], machines: number): string {
  const prices = `$${model.inputMicroUsdPerMillion / MICRO_USD} in, $${model.outputMicroUsdPerMillion / MICRO_USD} out per million`;
  const names = [model.id, ...aliases].join(', ');
  const billing = model.tokenizer === undefined ? 'billed by bytes only' : 'recounted';
  return `${names}  ${model.builds.join(', ')}  ${model.contextTokens} tokens  ${prices}  ${billing}  ${machines} machine${machines === 1 ? '' : 's'} now`;
}

async function add(bus: Bus, name: string, options: ModelOptions): Promise<void> {
  if ((await find(bus, name)) !== undefined)
    throw new CommandError(
      EXIT.failure,
      `${name} is offered already. "dinf models set ${name}" changes it.`,
    );
  const builds = options.build ?? [name];
  const shown = await shownBy(bus, builds);
  const contextTokens = options.context ?? shown?.contextTokens;
  if (contextTokens === undefined)
    throw new CommandError(
      EXIT.failure,
      `No machine serves ${builds.join(' or ')} now, so its context is not known. Start one, or give --context.`,
    );
  await put(bus, {
    id: name,
    displayName: name,
    builds,
    contextTokens,
    maxOutputTokens: contextTokens,
    traits: shown?.traits ?? [],
    createdAt: Date.now(),
    ...(await changesOf(options)),
  });
  console.log(`${name} is offered.`);
}

async function set(bus: Bus, name: string, options: ModelOptions): Promise<void> {
  const model = await find(bus, name);
  if (model === undefined)
    throw new CommandError(
      EXIT.failure,
      `There is no model ${name}. "dinf models list" shows those that there are.`,
    );
  await put(bus, {
    ...model,
    ...(await changesOf(options)),
    weights: { ...model.weights, ...options.weights },
  });
  console.log(`${name} is changed.`);
}

async function remove(bus: Bus, name: string): Promise<void> {
  const { services } = await import('#bus-schemas');
  const dropped = await bus.call(services.catalog.dropModel, { id: name }, CALL);
  const answer =
    !dropped.ok && dropped.code === 'unknown'
      ? await bus.call(services.catalog.dropAlias, { id: name }, CALL)
      : dropped;
  if (!answer.ok && answer.code === 'in_use')
    throw new CommandError(EXIT.failure, `${name} still has aliases; remove those first.`);
  if (!answer.ok) throw new CommandError(EXIT.failure, `There is no model or alias ${name}.`);
  console.log(`${name} is not offered any more.`);
}

async function setAlias(bus: Bus, alias: string, model: string): Promise<void> {
  const { services } = await import('#bus-schemas');
  const answer = await bus.call(services.catalog.putAlias, { alias, model }, CALL);
  if (!answer.ok)
    throw new CommandError(
      EXIT.failure,
      answer.code === 'taken' ? `A model is named ${alias}.` : `There is no model ${model}.`,
    );
  console.log(`${alias} stands for ${model}.`);
}

async function find(bus: Bus, name: string): Promise<CatalogModel | undefined> {
  const { services } = await import('#bus-schemas');
  const { models } = await bus.call(services.catalog.snapshot, {}, CALL);
  return models.find(({ id }) => id === name);
}

/**
 * The shortest context that machines report for these builds, and the traits that all of them
 * report. Undefined where no machine serves one.
 */
async function shownBy(
  bus: Bus,
  builds: string[],
): Promise<{ contextTokens: number; traits: Trait[] } | undefined> {
  const { services } = await import('#bus-schemas');
  const { slots } = await bus.call(services.routing.explain, { ...SMALLEST, builds }, CALL);
  const contexts = slots.flatMap(({ contextTokens = 0 }) =>
    contextTokens > 0 ? [contextTokens] : [],
  );
  if (contexts.length === 0) return undefined;
  const [first, ...others] = slots.map(({ traits = [] }) => traits);
  return {
    contextTokens: Math.min(...contexts),
    traits: (first ?? []).filter((trait) => others.every((traits) => traits.includes(trait))),
  };
}

async function changesOf(options: ModelOptions): Promise<Partial<NewModel>> {
  const {
    build,
    title,
    context,
    maxOutput,
    traits,
    inputPrice,
    cachePrice,
    outputPrice,
    weights = {},
    tokenizer,
    description,
    huggingFace,
    minMemory,
  } = options;
  return {
    ...(tokenizer !== undefined && { tokenizer: await digestOf(tokenizer) }),
    ...(description !== undefined && { description }),
    ...(huggingFace !== undefined && { huggingFaceId: huggingFace }),
    ...(minMemory !== undefined && { minimumMemoryGb: minMemory }),
    ...(build && { builds: build }),
    ...(title !== undefined && { displayName: title }),
    ...(context !== undefined && { contextTokens: context }),
    ...(maxOutput !== undefined && { maxOutputTokens: maxOutput }),
    ...(traits && { traits }),
    // Cached tokens cost half, as in the catalog, unless their price is given.
    ...(inputPrice !== undefined && {
      inputMicroUsdPerMillion: inputPrice,
      cacheReadMicroUsdPerMillion: Math.floor(inputPrice / 2),
    }),
    ...(cachePrice !== undefined && { cacheReadMicroUsdPerMillion: cachePrice }),
    ...(outputPrice !== undefined && { outputMicroUsdPerMillion: outputPrice }),
    ...(Object.keys(weights).length > 0 && { weights }),
  };
}

async function digestOf(tokenizer: string): Promise<string> {
  const { homeFolder } = await import('#bus-schemas/running-network.ts');
  const { keepTokenizer } = await import('#coordinator/tokenizers/tokenizer-files.ts');
  return keepTokenizer(homeFolder(process.env), tokenizer);
}

async function put(bus: Bus, model: NewModel): Promise<void> {
  const { services, TRAITS } = await import('#bus-schemas');
  const unknown = model.traits?.filter((trait) => !TRAITS.includes(trait)) ?? [];
  if (unknown.length > 0)
    throw new CommandError(
      EXIT.usage,
      `There is no trait ${unknown.join(', ')}. There are ${TRAITS.join(', ')}.`,
    );
  const { cacheReadMicroUsdPerMillion: cached, inputMicroUsdPerMillion: input } = model;
  if (cached !== undefined && cached > (input ?? cached))
    throw new CommandError(
      EXIT.usage,
      'The price of cached tokens must not be above the input price.',
    );
  await bus.call(services.catalog.putModel, { model }, CALL);
}
