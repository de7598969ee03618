import type { Command } from 'commander';

interface DoctorOptions {
  readonly network?: boolean;
  readonly coordinator?: string;
  readonly json?: boolean;
}

export function addCommands(program: Command): void {
  program
    .command('doctor')
    .description('show what this machine has and lacks, and how to get what it lacks')
    .option(
      '--network',
      'check a network from outside instead, as its customers and machines see it',
    )
    .option(
      '--coordinator <url>',
      'the network to check: DINF_COORDINATOR, or the one that runs here, if none is given',
    )
    .option('--json', 'print the findings about the network as JSON')
    .action(async ({ network, ...options }: DoctorOptions) => {
      if (network) {
        const { examineNetwork } = await import('./examine-network.ts');
        await examineNetwork(options);
      } else {
        const { examineThisMachine } = await import('./this-machine.ts');
        await examineThisMachine();
      }
    });
}
