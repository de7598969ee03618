import type { Command } from 'commander';

export function addCommands(program: Command): void {
  const bench = program.command('bench');
  bench
    .description('what the network costs, beside the engine alone and another gateway')
    .option('--smoke', 'the small size, which shows that it works')
    .action(async ({ smoke }: { smoke?: boolean }) => (await import('../e2e/bench/main.ts')).bench(smoke ? 'smoke' : 'full'));
  bench
    .command('routing')
    .description('what a decision takes, by the size of the fleet')
    .option('--smoke', 'the small size, which shows that it works')
    .action(async (_: object, command: Command) =>
      (await import('../e2e/bench/routing.ts')).benchRouting(command.optsWithGlobals()['smoke'] ? 'smoke' : 'full'),
    );
  bench
    .command('fleet')
    .description('what a fleet costs the router and the requests, over the bus; the full size takes 16 GB of memory')
    .option('--smoke', 'the small size, which shows that it works')
    .action(async (_: object, command: Command) => (await import('../e2e/bench/fleet.ts')).benchFleet(command.optsWithGlobals()['smoke'] ? 'smoke' : 'full'));
  bench
    .command('engine')
    .description('tokens a second of the engines that run here, by model and batch, beside llama.cpp')
    .option('--smoke', 'the small size, which shows that it works')
    .action(async (_: object, command: Command) =>
      (await import('../e2e/bench/engine/main.ts')).benchEngine(command.optsWithGlobals()['smoke'] ? 'smoke' : 'full'),
    );
  bench
    .command('sealed')
    .description('what it costs that the coordinator cannot read, beside the same requests in the clear')
    .option('--smoke', 'the small size, which shows that it works')
    .action(async (_: object, command: Command) => (await import('../e2e/bench/sealed.ts')).benchSealed(command.optsWithGlobals()['smoke'] ? 'smoke' : 'full'));
  bench
    .command('attestation')
    .description('what it costs the coordinator to have a fleet show itself every five minutes')
    .option('--smoke', 'the small size, which shows that it works')
    .action(async (_: object, command: Command) =>
      (await import('../e2e/bench/attestation.ts')).benchAttestation(command.optsWithGlobals()['smoke'] ? 'smoke' : 'full'),
    );
  bench
    .command('ledger')
    .description('settlements a second, a hold through the bus, and an outage of the database')
    .option('--smoke', 'the small size, which shows that it works')
    .action(async (_: object, command: Command) => (await import('../e2e/bench/ledger.ts')).benchLedger(command.optsWithGlobals()['smoke'] ? 'smoke' : 'full'));
}
