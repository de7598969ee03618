import { type Command, InvalidArgumentError } from 'commander';
import type { Trait } from '#bus-schemas';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import type { Bus } from './bus.ts';

const CALL = { timeoutMs: 5_000 };
const SHOWN = 40;

interface ExplainOptions {
  readonly model?: string;
  readonly promptTokens: number;
  readonly maxTokens: number;
  readonly requires: readonly string[];
  readonly json?: boolean;
}

/** What routing would do, and why. */
export function addRoutingCommands(program: Command, withBus: <T>(work: (bus: Bus) => Promise<T>) => Promise<T>): void {
  const routing = program.command('routing').description('where requests go, and why');
  routing
    .command('explain')
    .description('which machines would serve a request now, and what keeps the others from it')
    .option('--model <name>', 'a model or an alias; everything that is served when left out')
    .option('--prompt-tokens <n>', 'how long the prompt is', wholeNumber, 500)
    .option('--max-tokens <n>', 'how long the answer may be', wholeNumber, 500)
    .option('--requires <traits>', 'what a machine must be able to do: tools, vision, reasoning', (text: string) => text.split(','), [])
    .option('--json', 'for programs')
    .action((options: ExplainOptions) => withBus((bus) => explain(bus, options)));
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('must be a whole number');
  return value;
}

async function explain(bus: Bus, { model, promptTokens, maxTokens, requires, json = false }: ExplainOptions): Promise<void> {
  const { services, TRAITS } = await import('#bus-schemas');
  const unknown = requires.find((name) => !TRAITS.includes(name as Trait));
  if (unknown !== undefined) throw new CommandError(EXIT.usage, `There is no trait ${unknown}; there are ${TRAITS.join(', ')}.`);
  const builds = model === undefined ? undefined : await buildsOf(bus, model);
  const explained = await bus.call(
    services.routing.explain,
    { promptTokens, maxOutputTokens: maxTokens, ...(builds && { builds }), ...(requires.length > 0 && { requires: requires as Trait[] }) },
    CALL,
  );
  if (json) return console.log(JSON.stringify(explained));
  const { slots, tally, queued } = explained;
  const counts = Object.entries(tally).map(([gate, count]) => `${count} ${gate}`);
  console.log(`${counts.length === 0 ? 'nobody serves it' : counts.join(', ')}; ${queued} wait`);
  for (const { provider, build, chip, gate = 'open', because, load, maxConcurrency, expectedFirstContentMs } of slots.slice(0, SHOWN)) {
    const expected = gate === 'open' ? `${Math.round(expectedFirstContentMs)} ms` : '';
    console.log(`${provider}  ${chip}  ${build}  ${load} of ${maxConcurrency}  ${gate.padEnd(11)} ${expected || because}`);
  }
  if (slots.length > SHOWN) console.log(`… and ${slots.length - SHOWN} more (--json shows them)`);
}

async function buildsOf(bus: Bus, name: string): Promise<string[]> {
  const { services } = await import('#bus-schemas');
  const { models, aliases = [] } = await bus.call(services.catalog.snapshot, {}, CALL);
  const id = aliases.find(({ alias }) => alias === name)?.model ?? name;
  const model = models.find((candidate) => candidate.id === id);
  if (model === undefined) throw new CommandError(EXIT.failure, `There is no model ${name}.`);
  return model.builds;
}
