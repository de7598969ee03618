import type { Command } from 'commander';
import type { Verdict } from '#bus-schemas';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import type { Bus } from '#coordinator/bus.ts';
import { withBus } from './with-bus.ts';

const CALL = { timeoutMs: 5_000 };
const PAGE = 500;

/** Which machines are believed, and which code they may run. */
export function addTrustCommands(program: Command): void {
  const trust = program.command('trust').description('what machines have shown of themselves');
  trust
    .command('list')
    .description('where every machine stands, and why')
    .option('--json', 'for programs')
    .action((options: { json?: boolean }) => withBus((bus) => list(bus, options)));
  trust
    .command('owners')
    .description('how many machines each account has linked, and how many of them were caught')
    .option('--json', 'for programs')
    .action((options: { json?: boolean }) => withBus((bus) => listOwners(bus, options)));
  trust
    .command('pardon <provider>')
    .description(
      'a machine that was caught may show itself anew, and its owner may link machines again',
    )
    .action((provider: string) => withBus((bus) => pardon(bus, provider)));

  trust
    .command('device <provider> <serial>')
    .description(
      'which Mac a machine is, so that Apple can be asked for its word through MDM (DINF_MDM_URL)',
    )
    .action((provider: string, serial: string) =>
      withBus((bus) => assignDevice(bus, provider, serial)),
    );

  const release = program
    .command('release')
    .description('the code that machines may run: the union of all active releases');
  release.command('hash').description('of the code of this folder').action(printHash);
  release
    .command('list')
    .option('--json', 'for programs')
    .description('all that there ever were')
    .action((options: { json?: boolean }) => withBus((bus) => listReleases(bus, options)));
  release
    .command('add <version> <hash>')
    .description('machines that run it are let in')
    .action((version: string, hash: string) => withBus((bus) => add(bus, version, hash)));
  release
    .command('withdraw <hash>')
    .description('machines that run it are out at once')
    .option('--force', 'even if that is most of the fleet')
    .action((hash: string, { force = false }: { force?: boolean }) =>
      withBus((bus) => withdraw(bus, hash, force)),
    );
  release
    .command('restore <hash>')
    .description('they are let in again')
    .action((hash: string) => withBus((bus) => restore(bus, hash)));
}

async function list(bus: Bus, { json = false }: { json?: boolean }): Promise<void> {
  const { hex, services } = await import('#bus-schemas');
  const all: Verdict[] = [];
  for (let after: string | undefined, more = true; more; ) {
    const { verdicts } = await bus.call(
      services.trust.verdicts,
      { limit: PAGE, ...(after && { after }) },
      CALL,
    );
    all.push(...verdicts);
    after = verdicts.at(-1)?.provider;
    more = verdicts.length === PAGE;
  }
  for (const { provider, standing, level, fault, probation, freshUntil, codeHash } of all) {
    const code = codeHash && hex(codeHash);
    if (json)
      console.log(
        JSON.stringify({ provider, standing, level, fault, probation, freshUntil, codeHash: code }),
      );
    else
      console.log(
        `${provider}  ${standing.padEnd(9)}  ${level.padEnd(11)}  ${fault ?? (freshUntil > Date.now() ? (probation ? 'on probation' : '') : 'not seen lately')}  ${code?.slice(0, 12) ?? ''}`,
      );
  }
  if (!json && all.length === 0) console.log('No machine has shown itself yet.');
}

async function listOwners(bus: Bus, { json = false }: { json?: boolean }): Promise<void> {
  const { services } = await import('#bus-schemas');
  const { owners } = await bus.call(services.trust.owners, {}, CALL);
  for (const owner of owners) {
    const { account, machines, removed, linkedLastDay, caught } = owner;
    if (json) console.log(JSON.stringify(owner));
    else
      console.log(
        `${account}  ${machines} machines, ${removed} removed, ${linkedLastDay} linked within 24 h, ${caught} caught${caught > 0 ? ': links no other' : ''}`,
      );
  }
  if (!json && owners.length === 0) console.log('No account has linked a machine yet.');
}

async function pardon(bus: Bus, provider: string): Promise<void> {
  const { services } = await import('#bus-schemas');
  const { pardoned } = await bus.call(services.trust.pardon, { provider }, CALL);
  if (!pardoned)
    throw new CommandError(
      EXIT.failure,
      `There is no machine ${provider}, or it was removed and had not been caught.`,
    );
  console.log(`${provider} is pardoned. If it is still enrolled, it is asked to show itself anew.`);
}

async function assignDevice(bus: Bus, provider: string, serial: string): Promise<void> {
  const { services } = await import('#bus-schemas');
  const { assigned } = await bus.call(services.trust.assignDevice, { provider, serial }, CALL);
  if (!assigned)
    throw new CommandError(EXIT.failure, `There is no machine ${provider}, or it was revoked.`);
  console.log(`${provider} is ${serial}.`);
}

async function printHash(): Promise<void> {
  const { codeHash, hex } = await import('#bus-schemas');
  console.log(hex(codeHash()));
}

async function listReleases(bus: Bus, { json = false }: { json?: boolean }): Promise<void> {
  const { hex, services } = await import('#bus-schemas');
  const { releases } = await bus.call(services.releases.list, {}, CALL);
  for (const { version, codeHash, addedAt, withdrawnAt } of releases) {
    if (json)
      console.log(JSON.stringify({ version, codeHash: hex(codeHash), addedAt, withdrawnAt }));
    else
      console.log(
        `${hex(codeHash)}  ${version.padEnd(12)}  ${withdrawnAt === undefined ? 'active' : 'withdrawn'}  ${new Date(addedAt).toISOString()}`,
      );
  }
}

async function add(bus: Bus, version: string, hash: string): Promise<void> {
  const { services } = await import('#bus-schemas');
  const { added } = await bus.call(
    services.releases.add,
    { version, codeHash: bytesOf(hash) },
    CALL,
  );
  console.log(
    added ? `${version} is active.` : 'That code is known already; "dinf release list" says how.',
  );
}

async function withdraw(bus: Bus, hash: string, force: boolean): Promise<void> {
  const { services } = await import('#bus-schemas');
  const answer = await bus.call(
    services.releases.withdraw,
    { codeHash: bytesOf(hash), force },
    CALL,
  );
  if (answer.ok) return console.log('It is withdrawn; machines that run it are out.');
  if (answer.code === 'unknown')
    throw new CommandError(EXIT.failure, 'There is no active release with that hash.');
  throw new CommandError(
    EXIT.failure,
    'Most of the fleet runs it: withdrawing it would stop the network. --force does it all the same.',
  );
}

async function restore(bus: Bus, hash: string): Promise<void> {
  const { services } = await import('#bus-schemas');
  const answer = await bus.call(services.releases.restore, { codeHash: bytesOf(hash) }, CALL);
  if (!answer.ok)
    throw new CommandError(EXIT.failure, 'There is no withdrawn release with that hash.');
  console.log('It is active again.');
}

function bytesOf(hash: string): Uint8Array {
  if (!/^[0-9a-f]{64}$/i.test(hash))
    throw new CommandError(
      EXIT.usage,
      `${hash} is no hash: 64 hexadecimal digits, as "dinf release hash" prints them.`,
    );
  return Buffer.from(hash, 'hex');
}
