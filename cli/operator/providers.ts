import type { Command } from 'commander';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import { positiveWholeNumber } from '../option-parsers.ts';
import { withBus } from './with-bus.ts';

const CALL = { timeoutMs: 5_000 };
const HOUR_MS = 3_600_000;

/** Commands that let providers in and shut them out, and show those that are there. */
export function addProviderCommands(program: Command): void {
  program
    .command('enrol-token')
    .description('make a one-time token for a provider')
    .option('--hours <n>', 'how long it is good', positiveWholeNumber, 1)
    .option('--account <id>', 'whose machine it will be: what it earns is that account’s')
    .action((options: { hours: number; account?: string }) => enrolToken(options));
  program
    .command('revoke <provider>')
    .description('end a provider’s access, and its connection')
    .action((provider: string) => revokeProvider(provider));
  const machines = program.command('machines').description('single machines of the fleet');
  machines
    .command('drain <provider>')
    .description('give it no new requests; it finishes those that it has')
    .action((provider: string) => drain(provider, true));
  machines
    .command('resume <provider>')
    .description('give it requests again')
    .action((provider: string) => drain(provider, false));
  machines
    .command('withdraw-name <name>')
    .description('take a name off the public leaderboard, and refuse others of this owner')
    .option('--reason <text>', 'for operators; it is in the audit log')
    .action((name: string, { reason }: { reason?: string }) => withdrawName(name, reason));
  machines
    .command('allow-name <provider>')
    .description('let the owner of this machine take public names again')
    .action((provider: string) => allowName(provider));
  program
    .command('fleet')
    .description('the providers that routing knows')
    .option('--json', 'for programs')
    .action((options: { json?: boolean }) => showFleet(options));
}

async function enrolToken({ hours, account }: { hours: number; account?: string }): Promise<void> {
  const { services } = await import('#bus-schemas');
  const { token, expiresAt } = await withBus((bus) =>
    bus.call(
      services.trust.createToken,
      { lifetimeMs: hours * HOUR_MS, ...(account && { account }) },
      CALL,
    ),
  );
  console.error(`good for one provider until ${new Date(expiresAt).toISOString()}:`);
  console.log(token);
}

async function revokeProvider(provider: string): Promise<void> {
  const { services } = await import('#bus-schemas');
  const { revoked } = await withBus((bus) => bus.call(services.trust.revoke, { provider }, CALL));
  if (!revoked) throw new CommandError(EXIT.failure, `${provider} is not enrolled here.`);
  console.log(`${provider} is revoked and disconnected`);
}

async function drain(provider: string, isDrained: boolean): Promise<void> {
  const { services } = await import('#bus-schemas');
  const request = { provider, isDrained };
  const { known } = await withBus((bus) => bus.call(services.trust.drain, request, CALL));
  if (!known) throw new CommandError(EXIT.failure, `${provider} is not enrolled here.`);
  console.log(isDrained ? `${provider} gets no new requests` : `${provider} gets requests again`);
}

async function withdrawName(name: string, reason: string | undefined): Promise<void> {
  const { services } = await import('#bus-schemas');
  const request = { name, ...(reason !== undefined && { reason }) };
  const { provider } = await withBus((bus) => bus.call(services.trust.withdrawName, request, CALL));
  if (provider === undefined)
    throw new CommandError(EXIT.failure, `No machine has the name ${name}.`);
  console.log(`${provider} has lost its name; "dinf machines allow-name" ends this`);
}

async function allowName(provider: string): Promise<void> {
  const { services } = await import('#bus-schemas');
  const { known } = await withBus((bus) => bus.call(services.trust.allowName, { provider }, CALL));
  if (!known) throw new CommandError(EXIT.failure, `${provider} is not enrolled here.`);
  console.log(`the owner of ${provider} can take public names again`);
}

async function showFleet({ json }: { json?: boolean }): Promise<void> {
  const { services } = await import('#bus-schemas');
  const { providers } = await withBus((bus) => bus.call(services.routing.fleet, {}, CALL));
  if (json) console.log(JSON.stringify(providers));
  else
    for (const row of providers)
      console.log(
        `${row.provider}  ${row.chip}${row.simulated ? ' (simulated)' : ''}  ${row.build}  ${row.state}  ${row.running} running, ${row.pending} promised`,
      );
}
