import type { Command } from 'commander';

interface Part {
  readonly name: string;
  readonly description: string;
  readonly run: (size: 'full' | 'smoke') => Promise<void>;
}

/** The benchmarks of one part each. */
const PARTS: readonly Part[] = [
  {
    name: 'streams',
    description:
      'measure the time between the frames of 500 and of 1,000 streams, in turns with the engine alone',
    run: async (size) => (await import('#e2e/bench/streams.ts')).benchStreams(size),
  },
  {
    name: 'routing',
    description: 'measure the time of a routing decision by the size of the fleet',
    run: async (size) => (await import('#e2e/bench/routing.ts')).benchRouting(size),
  },
  {
    name: 'fleet',
    description:
      'measure the load of a fleet on the router and the requests, over the bus; full size needs 16 GB of memory',
    run: async (size) => (await import('#e2e/bench/fleet.ts')).benchFleet(size),
  },
  {
    name: 'prefixes',
    description:
      'replay the prompt lengths and repeats of a large network, count the tokens that are reused, also after a restart, and time the first content of a repeated prompt',
    run: async (size) => (await import('#e2e/bench/prefixes/main.ts')).benchPrefixes(size),
  },
  {
    name: 'engine',
    description:
      'measure tokens per second of the available engines by model and batch, compared with llama.cpp',
    run: async (size) => (await import('#e2e/bench/engine/main.ts')).benchEngine(size),
  },
  {
    name: 'drafts',
    description:
      'measure how much faster answers are with drafted tokens, in turns with plain decoding',
    run: async (size) => (await import('#e2e/bench/drafts.ts')).benchDrafts(size),
  },
  {
    name: 'sealed',
    description:
      'measure the cost of sealed requests, compared with the same requests in the clear',
    run: async (size) => (await import('#e2e/bench/sealed.ts')).benchSealed(size),
  },
  {
    name: 'overload',
    description: 'measure how much is served when three times as much is asked for',
    run: async (size) => (await import('#e2e/bench/overload.ts')).benchOverload(size),
  },
  {
    name: 'attestation',
    description: 'measure the cost of attesting a whole fleet every five minutes',
    run: async (size) => (await import('#e2e/bench/attestation.ts')).benchAttestation(size),
  },
  {
    name: 'archive',
    description: 'measure the size of a job in Postgres, and the archive of a month of the ledger',
    run: async (size) => (await import('#e2e/bench/archive.ts')).benchArchive(size),
  },
  {
    name: 'ledger',
    description:
      'measure settlements per second, a hold over the bus, and an outage of the database',
    run: async (size) => (await import('#e2e/bench/ledger.ts')).benchLedger(size),
  },
];

export function addCommands(program: Command): void {
  const bench = program.command('bench');
  bench
    .description(
      'measure the cost of the network, compared with the engine alone and with another gateway',
    )
    .option('--smoke', 'the small size, which shows that it works; its results are not stored')
    .action(async ({ smoke }: { smoke?: boolean }) =>
      (await import('#e2e/bench/main.ts')).bench(smoke ? 'smoke' : 'full'),
    );
  bench
    .command('compare <checkout>')
    .description(
      'compare the processor time of a request with that of another checkout, as two networks in turns; only on Linux',
    )
    .option('--smoke', 'the small size, which shows that it works')
    .action(async (checkout: string, _: object, command: Command) =>
      (await import('#e2e/bench/compare.ts')).benchCompare(
        command.optsWithGlobals()['smoke'] ? 'smoke' : 'full',
        checkout,
      ),
    );
  for (const { name, description, run } of PARTS)
    bench
      .command(name)
      .description(description)
      .option('--smoke', 'the small size, which shows that it works')
      .action((_: object, command: Command) =>
        run(command.optsWithGlobals()['smoke'] ? 'smoke' : 'full'),
      );
}
