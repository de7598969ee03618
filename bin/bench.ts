import type { Command } from 'commander';

export function addCommands(program: Command): void {
  program
    .command('bench')
    .description('what the network costs, beside the engine alone and another gateway')
    .option('--smoke', 'the small size, which shows that it works')
    .action(async ({ smoke }: { smoke?: boolean }) => (await import('../e2e/bench/main.ts')).bench(smoke ? 'smoke' : 'full'));
}
