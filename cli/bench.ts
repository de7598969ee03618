import type { Command } from 'commander';

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
  bench
    .command('streams')
    .description(
      'measure the time between the frames of 500 and of 1,000 streams, in turns with the engine alone',
    )
    .option('--smoke', 'the small size, which shows that it works')
    .action(async (_: object, command: Command) =>
      (await import('#e2e/bench/streams.ts')).benchStreams(
        command.optsWithGlobals()['smoke'] ? 'smoke' : 'full',
      ),
    );
  bench
    .command('routing')
    .description('measure the time of a routing decision by the size of the fleet')
    .option('--smoke', 'the small size, which shows that it works')
    .action(async (_: object, command: Command) =>
      (await import('#e2e/bench/routing.ts')).benchRouting(
        command.optsWithGlobals()['smoke'] ? 'smoke' : 'full',
      ),
    );
  bench
    .command('fleet')
    .description(
      'measure the load of a fleet on the router and the requests, over the bus; full size needs 16 GB of memory',
    )
    .option('--smoke', 'the small size, which shows that it works')
    .action(async (_: object, command: Command) =>
      (await import('#e2e/bench/fleet.ts')).benchFleet(
        command.optsWithGlobals()['smoke'] ? 'smoke' : 'full',
      ),
    );
  bench
    .command('prefixes')
    .description(
      'replay the prompt lengths and repeats of a large network, count the tokens that are reused, also after a restart, and time the first content of a repeated prompt',
    )
    .option('--smoke', 'the small size, which shows that it works')
    .action(async (_: object, command: Command) =>
      (await import('#e2e/bench/prefixes/main.ts')).benchPrefixes(
        command.optsWithGlobals()['smoke'] ? 'smoke' : 'full',
      ),
    );
  bench
    .command('engine')
    .description(
      'measure tokens per second of the available engines by model and batch, compared with llama.cpp',
    )
    .option('--smoke', 'the small size, which shows that it works')
    .action(async (_: object, command: Command) =>
      (await import('#e2e/bench/engine/main.ts')).benchEngine(
        command.optsWithGlobals()['smoke'] ? 'smoke' : 'full',
      ),
    );
  bench
    .command('drafts')
    .description(
      'measure how much faster answers are with drafted tokens, in turns with plain decoding',
    )
    .option('--smoke', 'the small size, which shows that it works')
    .action(async (_: object, command: Command) =>
      (await import('#e2e/bench/drafts.ts')).benchDrafts(
        command.optsWithGlobals()['smoke'] ? 'smoke' : 'full',
      ),
    );
  bench
    .command('sealed')
    .description(
      'measure the cost of sealed requests, compared with the same requests in the clear',
    )
    .option('--smoke', 'the small size, which shows that it works')
    .action(async (_: object, command: Command) =>
      (await import('#e2e/bench/sealed.ts')).benchSealed(
        command.optsWithGlobals()['smoke'] ? 'smoke' : 'full',
      ),
    );
  bench
    .command('overload')
    .description('measure how much is served when three times as much is asked for')
    .option('--smoke', 'the small size, which shows that it works')
    .action(async (_: object, command: Command) =>
      (await import('#e2e/bench/overload.ts')).benchOverload(
        command.optsWithGlobals()['smoke'] ? 'smoke' : 'full',
      ),
    );
  bench
    .command('attestation')
    .description('measure the cost of attesting a whole fleet every five minutes')
    .option('--smoke', 'the small size, which shows that it works')
    .action(async (_: object, command: Command) =>
      (await import('#e2e/bench/attestation.ts')).benchAttestation(
        command.optsWithGlobals()['smoke'] ? 'smoke' : 'full',
      ),
    );
  bench
    .command('archive')
    .description('measure the size of a job in Postgres, and the archive of a month of the ledger')
    .option('--smoke', 'the small size, which shows that it works')
    .action(async (_: object, command: Command) =>
      (await import('#e2e/bench/archive.ts')).benchArchive(
        command.optsWithGlobals()['smoke'] ? 'smoke' : 'full',
      ),
    );
  bench
    .command('ledger')
    .description(
      'measure settlements per second, a hold over the bus, and an outage of the database',
    )
    .option('--smoke', 'the small size, which shows that it works')
    .action(async (_: object, command: Command) =>
      (await import('#e2e/bench/ledger.ts')).benchLedger(
        command.optsWithGlobals()['smoke'] ? 'smoke' : 'full',
      ),
    );
}
