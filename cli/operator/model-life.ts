import { type Command, InvalidArgumentError } from 'commander';
import type { CatalogModel } from '#bus-schemas';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import type { Bus } from '#coordinator/bus.ts';
import { date, positiveWholeNumber } from '../option-parsers.ts';
import { withBus } from './with-bus.ts';

const CALL = { timeoutMs: 10_000 };
const MICRO_USD = 1_000_000;
const MINUTE_MS = 60_000;

/** `dinf models …` for a model over its life: beta test, rollouts, shedding, deprecation. */
export function addModelLifeCommands(models: Command): void {
  models
    .command('shed <model>')
    .description('refuse requests for a model for a time; running ones are finished')
    .requiredOption('--minutes <n>', 'how long', positiveWholeNumber)
    .requiredOption('--reason <text>', 'callers read it in the error')
    .action((name: string, options: ShedOptions) => withBus((bus) => shed(bus, name, options)));
  models
    .command('unshed <model>')
    .description('accept requests for a model again')
    .action((name: string) => withBus((bus) => unshed(bus, name)));
  models
    .command('beta <model>')
    .description('restrict a model to some accounts and keys; for others it does not exist')
    .option('--allow <ids...>', 'ids of accounts and keys')
    .option('--end', 'offer it to everybody')
    .action((name: string, options: BetaOptions) => withBus((bus) => beta(bus, name, options)));
  models
    .command('deprecate <model>')
    .description('announce in every answer and in the list of models that a model will go')
    .option('--sunset <date>', 'when it may be removed', date)
    .option('--replacement <model>', 'the model to use instead')
    .option('--end', 'it is not deprecated any more')
    .action((name: string, options: DeprecateOptions) =>
      withBus((bus) => deprecate(bus, name, options)),
    );
  models
    .command('rollout')
    .argument('<name>', 'a model or an alias')
    .argument('<build>', 'the build that is preferred from now on')
    .description('prefer another build; the present one stays as an alternative')
    .option('--weights <hash>', 'the digest of the build as "dinf weights" prints it', digest)
    .option('--force', 'even if no machine serves the build yet')
    .action((name: string, build: string, options: RolloutOptions) =>
      withBus((bus) => rollOut(bus, name, build, options)),
    );
  models
    .command('revert')
    .argument('<name>', 'a model or an alias')
    .description('prefer the build before the last rollout again')
    .action((name: string) => withBus((bus) => revert(bus, name)));
  models
    .command('prices <model>')
    .description('the prices that a model had, newest first')
    .option('--json', 'for programs')
    .action((name: string, options: { json?: boolean }) =>
      withBus((bus) => showPrices(bus, name, options)),
    );
}

interface ShedOptions {
  readonly minutes: number;
  readonly reason: string;
}
interface BetaOptions {
  readonly allow?: string[];
  readonly end?: boolean;
}
interface DeprecateOptions {
  readonly sunset?: number;
  readonly replacement?: string;
  readonly end?: boolean;
}
interface RolloutOptions {
  readonly weights?: string;
  readonly force?: boolean;
}

async function shed(bus: Bus, name: string, { minutes, reason }: ShedOptions): Promise<void> {
  const { services } = await import('#bus-schemas');
  const until = Date.now() + minutes * MINUTE_MS;
  known(name, await bus.call(services.catalog.shed, { id: name, shed: { until, reason } }, CALL));
  console.log(`Requests for ${name} are refused until ${new Date(until).toISOString()}.`);
}

async function unshed(bus: Bus, name: string): Promise<void> {
  const { services } = await import('#bus-schemas');
  known(name, await bus.call(services.catalog.shed, { id: name }, CALL));
  console.log(`Requests for ${name} are accepted.`);
}

const TESTER = /^(acct|key)_[0-9a-z]{4,40}$/;

async function beta(bus: Bus, name: string, { allow, end }: BetaOptions): Promise<void> {
  const { services } = await import('#bus-schemas');
  if ((allow === undefined) === (end !== true))
    throw new CommandError(EXIT.usage, 'Give either --allow or --end.');
  const wrong = allow?.find((id) => !TESTER.test(id));
  if (wrong !== undefined)
    throw new CommandError(EXIT.usage, `${wrong} is not the id of an account or a key.`);
  const request = { id: name, ...(allow && { allowed: allow }) };
  known(name, await bus.call(services.catalog.setBeta, request, CALL));
  console.log(
    allow === undefined
      ? `${name} is open to everybody.`
      : `${name} is open to ${allow.length} accounts and keys.`,
  );
}

async function deprecate(
  bus: Bus,
  name: string,
  { sunset, replacement, end = false }: DeprecateOptions,
): Promise<void> {
  const { services } = await import('#bus-schemas');
  const at = Date.now();
  if (sunset !== undefined && sunset < at)
    throw new CommandError(EXIT.usage, 'The sunset must be in the future.');
  const deprecation = {
    at,
    ...(sunset !== undefined && { sunsetAt: sunset }),
    ...(replacement !== undefined && { replacement }),
  };
  const request = { id: name, ...(!end && { deprecation }) };
  known(name, await bus.call(services.catalog.deprecate, request, CALL));
  console.log(end ? `${name} is not deprecated.` : `${name} is deprecated.`);
}

/** Advice that names an option of the command, printed after the message of a refusal. */
const ROLL_OUT_ADVICE = {
  same_build: '',
  not_served: ' --force rolls it out all the same.',
  not_pinned: ' Give it with --weights.',
} as const;

async function rollOut(
  bus: Bus,
  name: string,
  build: string,
  { weights, force = false }: RolloutOptions,
): Promise<void> {
  const { services } = await import('#bus-schemas');
  const request = { id: name, build, isForced: force, ...(weights !== undefined && { weights }) };
  const answer = await bus.call(services.catalog.rollOut, request, CALL);
  if (answer.ok) return printBuilds(answer.model);
  if (answer.code === 'unknown') throw unknownModel(name);
  const { catalogRefusals } = await import('#http-api/refusals.ts');
  const { message } = catalogRefusals.rollOut[answer.code];
  throw new CommandError(EXIT.failure, `${message}${ROLL_OUT_ADVICE[answer.code]}`);
}

async function revert(bus: Bus, name: string): Promise<void> {
  const { services } = await import('#bus-schemas');
  const answer = await bus.call(services.catalog.revert, { id: name }, CALL);
  if (answer.ok) return printBuilds(answer.model);
  if (answer.code === 'unknown') throw unknownModel(name);
  throw new CommandError(EXIT.failure, `${name} had no rollout.`);
}

async function showPrices(
  bus: Bus,
  name: string,
  { json = false }: { json?: boolean },
): Promise<void> {
  const { services } = await import('#bus-schemas');
  const { prices } = await bus.call(services.catalog.prices, { id: name }, CALL);
  if (prices.length === 0) throw unknownModel(name);
  if (json) return console.log(JSON.stringify(prices));
  const usd = (amount: number) => `$${amount / MICRO_USD}`;
  for (const price of prices)
    console.log(
      `${new Date(price.at).toISOString()}  ${usd(price.inputMicroUsdPerMillion)} in, ${usd(price.cacheReadMicroUsdPerMillion)} cached, ${usd(price.outputMicroUsdPerMillion)} out per million`,
    );
}

function printBuilds({ id, builds, previousBuild }: CatalogModel): void {
  const [current, ...others] = builds;
  console.log(`${id} is served by ${current}; alternatives: ${others.join(', ') || 'none'}`);
  if (previousBuild !== undefined)
    console.log(`"dinf models revert ${id}" returns to ${previousBuild}.`);
}

function known(name: string, answer: { readonly ok: boolean }): void {
  if (!answer.ok) throw unknownModel(name);
}

const unknownModel = (name: string) =>
  new CommandError(EXIT.failure, `There is no model or alias ${name}.`);

function digest(text: string): string {
  if (!/^[0-9a-f]{64}$/.test(text))
    throw new InvalidArgumentError('must be 64 hexadecimal digits, as "dinf weights" prints them');
  return text;
}
