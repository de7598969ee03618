import { Argument, type Command } from 'commander';
import type {
  Arrival,
  services as allServices,
  CatalogSnapshot,
  MessageOf,
  RoutingSwitch,
  RoutingSwitches,
  Trait,
} from '#bus-schemas';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import type { Bus } from '#coordinator/bus.ts';
import { requirementsOf } from '#coordinator/model-requirements.ts';
import { names, wholeNumber } from '../option-parsers.ts';
import { withBus } from './with-bus.ts';

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
export function addRoutingCommands(program: Command): void {
  const routing = program.command('routing').description('where requests go, and why');
  routing
    .command('explain')
    .description('which machines would serve a request now, and what keeps the others from it')
    .option('--model <name>', 'a model or an alias; everything that is served when left out')
    .option('--prompt-tokens <n>', 'how long the prompt is', wholeNumber, 500)
    .option('--max-tokens <n>', 'how long the answer may be', wholeNumber, 500)
    .option(
      '--requires <traits>',
      'what a machine must be able to do: tools, vision, reasoning',
      names,
      [],
    )
    .option('--json', 'for programs')
    .action((options: ExplainOptions) => withBus((bus) => explain(bus, options)));
  routing
    .command('record')
    .argument('<machines...>', 'the ids of machines')
    .description('the stored record of machines: jobs, faults and measured speeds')
    .option('--json', 'for programs')
    .action((machines: string[], options: { json?: boolean }) =>
      withBus((bus) => showRecords(bus, machines, options)),
    );
  routing
    .command('trace')
    .description(
      'every request that the network remembers, a line of JSON each: when, of whom, how long; dinf replay --trace plays it again',
    )
    .action(() => withBus(printTrace));
  routing
    .command('cells')
    .description(
      'the parts of the fleet that have a router of their own, and what each has to give',
    )
    .option('--json', 'for programs')
    .action((options: { json?: boolean }) => withBus((bus) => showCells(bus, options)));
  routing
    .command('drain')
    .argument('<cell>', 'its number', wholeNumber)
    .description('its machines go over to the other cells, so that its routers may be stopped')
    .action((cell: number) => withBus((bus) => drain(bus, cell, true)));
  routing
    .command('undrain')
    .argument('<cell>', 'its number', wholeNumber)
    .description('it serves again')
    .action((cell: number) => withBus((bus) => drain(bus, cell, false)));
  routing
    .command('switches')
    .description('the parts of routing that can be switched off, and whether each is on')
    .action(() => withBus(showSwitches));
  routing
    .command('switch')
    .addArgument(new Argument('<part>', 'the part of routing').choices(['affinity', 'warm_pool']))
    .addArgument(new Argument('<state>', 'what it should be').choices(['on', 'off']))
    .description('switch a part of routing on or off, on all routers and over restarts')
    .action((name: RoutingSwitch, state: 'on' | 'off') =>
      withBus((bus) => setSwitch(bus, name, state === 'on')),
    );
}

async function showSwitches(bus: Bus): Promise<void> {
  const { services } = await import('#bus-schemas');
  await printSwitches(await bus.call(services.routing.switches, {}, CALL));
}

async function setSwitch(bus: Bus, name: RoutingSwitch, isOn: boolean): Promise<void> {
  const { services } = await import('#bus-schemas');
  await printSwitches(await bus.call(services.routing.setSwitch, { name, isOn }, CALL));
}

async function printSwitches(switches: RoutingSwitches): Promise<void> {
  const { ROUTING_SWITCHES } = await import('#bus-schemas');
  for (const name of ROUTING_SWITCHES)
    console.log(`${name.padEnd(9)}  ${switches[name] ? 'on' : 'off'}`);
}

/** Every cell has spoken twice by then. */
const LISTEN_MS = 1_100;

async function showCells(bus: Bus, { json = false }: { json?: boolean }): Promise<void> {
  const { Cells } = await import('#coordinator/cells/cells.ts');
  using cells = new Cells(bus, () => performance.now());
  await new Promise((resolve) => setTimeout(resolve, LISTEN_MS));
  const digests = cells.digests();
  if (json) return console.log(JSON.stringify(digests));
  if (digests.length === 0) throw new CommandError(EXIT.unavailable, 'No router speaks.');
  for (const { cell, draining, providers, queued, builds } of digests) {
    const free =
      builds.map(({ build, freeSlots }) => `${freeSlots} × ${build}`).join(', ') || 'nothing';
    console.log(
      `cell ${cell}  ${draining ? 'draining' : 'serves'}  ${providers} machines  ${queued} wait  free: ${free}`,
    );
  }
}

async function drain(bus: Bus, cell: number, draining: boolean): Promise<void> {
  const { inCell, services } = await import('#bus-schemas');
  const { BusError } = await import('#coordinator/bus.ts');
  await bus
    .call(inCell(services.routing.drain, cell), { draining }, CALL)
    .catch((error: unknown) => {
      throw error instanceof BusError
        ? new CommandError(EXIT.unavailable, `No router of cell ${cell} answers.`, { cause: error })
        : error;
    });
  console.log(
    draining
      ? `cell ${cell} drains: its machines are with the others within ten seconds`
      : `cell ${cell} serves again`,
  );
}

/**
 * What was asked of the network as far as it is kept, oldest first, without a word of what was
 * said.
 */
async function printTrace(bus: Bus): Promise<void> {
  const { JobEnded, events } = await import('#bus-schemas');
  const stream = 'JOBS';
  const consumer = await bus.jetstream.consumers.get(stream, {
    filter_subjects: [events.jobEnded],
  });
  let left = (await consumer.info()).num_pending;
  if (left === 0) return;
  let first: number | undefined;
  for await (const message of await consumer.consume()) {
    const { at, timing, account, model, usage, promptBound, deliveredTokens } = JobEnded.decode(
      message.data,
    );
    const askedAt = at - timing.totalUs / 1_000;
    first ??= askedAt;
    const outputTokens = usage?.completionTokens ?? deliveredTokens;
    const arrival: Arrival = {
      at: Math.max(0, Math.round(askedAt - first)),
      account,
      model,
      promptTokens: usage?.promptTokens ?? promptBound,
      maxTokens: outputTokens,
      outputTokens,
    };
    process.stdout.write(`${JSON.stringify(arrival)}\n`);
    left -= 1;
    if (left === 0) return;
  }
}

async function explain(
  bus: Bus,
  { model, promptTokens, maxTokens, requires, json = false }: ExplainOptions,
): Promise<void> {
  const { services, TRAITS } = await import('#bus-schemas');
  const unknown = requires.find((name) => !TRAITS.includes(name as Trait));
  if (unknown !== undefined)
    throw new CommandError(
      EXIT.usage,
      `There is no trait ${unknown}; there are ${TRAITS.join(', ')}.`,
    );
  const catalog = await bus.call(services.catalog.snapshot, {}, CALL);
  const builds = model === undefined ? undefined : buildsOf(model, catalog);
  const explained = await bus.call(
    services.routing.explain,
    {
      promptTokens,
      maxOutputTokens: maxTokens,
      ...requirementsOf(catalog.models),
      ...(builds && { builds }),
      ...(requires.length > 0 && { requires: requires as Trait[] }),
    },
    CALL,
  );
  if (json) return console.log(JSON.stringify(explained));
  const { slots, tally, queued } = explained;
  const counts = Object.entries(tally).map(([gate, count]) => `${count} ${gate}`);
  console.log(`${counts.length === 0 ? 'nobody serves it' : counts.join(', ')}; ${queued} wait`);
  for (const {
    provider,
    build,
    chip,
    gate = 'open',
    because,
    load,
    maxConcurrency,
    expectedFirstContentMs,
    terms,
  } of slots.slice(0, SHOWN)) {
    const expected =
      gate === 'open' ? `${Math.round(expectedFirstContentMs)} ms${termsText(terms)}` : '';
    console.log(
      `${provider}  ${chip}  ${build}  ${load} of ${maxConcurrency}  ${gate.padEnd(11)} ${expected || because}`,
    );
  }
  if (slots.length > SHOWN) console.log(`… and ${slots.length - SHOWN} more (--json shows them)`);
}

/** The terms of the cost, for example " (prefill 120, heat 24)"; those of 0 ms are left out. */
function termsText(terms: Readonly<Record<string, number>> = {}): string {
  const parts = Object.entries(terms)
    .filter(([, ms]) => Math.round(ms) > 0)
    .map(([term, ms]) => `${term} ${Math.round(ms)}`);
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`;
}

function buildsOf(name: string, { models, aliases = [] }: CatalogSnapshot): string[] {
  const id = aliases.find(({ alias }) => alias === name)?.model ?? name;
  const model = models.find((candidate) => candidate.id === id);
  if (model === undefined) throw new CommandError(EXIT.failure, `There is no model ${name}.`);
  return model.builds;
}

type MachineRecord = MessageOf<typeof allServices.routing.records.reply>['records'][number];

async function showRecords(
  bus: Bus,
  machines: string[],
  { json = false }: { json?: boolean },
): Promise<void> {
  const { services } = await import('#bus-schemas');
  const { records } = await bus.call(services.routing.records, { providers: machines }, CALL);
  if (json) return console.log(JSON.stringify(records));
  const missing = machines.find((id) => !records.some(({ provider }) => provider === id));
  for (const record of records) console.log(linesOf(record).join('\n  '));
  if (missing !== undefined)
    throw new CommandError(EXIT.failure, `There is no record of the machine ${missing}.`);
}

function linesOf({ provider, lifetime, now }: MachineRecord): string[] {
  const lines = [provider];
  if (lifetime !== undefined) {
    const { firstSeenAt, seenAt, served, failed, refused, blamed, tokens } = lifetime;
    lines.push(
      `first seen ${new Date(firstSeenAt).toISOString()}, last written ${new Date(seenAt).toISOString()}`,
      `${served} jobs completed, ${failed} failed, ${refused} refused, ${blamed} blamed on the client, ${tokens} tokens delivered`,
    );
  }
  if (now === undefined) return [...lines, 'not in the fleet'];
  const { pauseMs, coolingMs, slowdown, speeds, restoredAgeMs } = now;
  if (pauseMs > 0) lines.push(`gets no jobs for ${seconds(pauseMs)} because of its faults`);
  if (coolingMs > 0) lines.push(`gets no jobs for ${seconds(coolingMs)} after a refusal`);
  if (slowdown !== undefined)
    lines.push(`its answers begin ${slowdown.toFixed(1)} times as late as those of the fleet`);
  for (const { build, tokensPerSecond } of speeds)
    lines.push(`${build}: ${tokensPerSecond.toFixed(1)} tokens per second, measured`);
  lines.push(
    restoredAgeMs === undefined
      ? 'its router restored nothing'
      : `its router restored a record that was ${seconds(restoredAgeMs)} old`,
  );
  return lines;
}

const seconds = (ms: number) => `${Math.ceil(ms / 1_000)} s`;
