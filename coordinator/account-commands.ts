import type { Command } from 'commander';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import { coordinatorUrl, homeFolder, runningNetwork } from '#bus-schemas/running-network.ts';
import type { Bus } from './bus.ts';

const CALL = { timeoutMs: 5_000 };

/** Commands for people: signing in on a network of one's own, approving a machine, becoming an operator. */
export function addAccountCommands(program: Command, withBus: <T>(work: (bus: Bus) => Promise<T>) => Promise<T>): void {
  program
    .command('sign-in')
    .description('a token for what only people may do, on a network that "dinf up" runs')
    .option('--name <name>', 'who to be', 'you')
    .action(async ({ name }: { name: string }) => console.log(await signIn(name)));
  program
    .command('approve <code>')
    .description('approve the machine that shows this code: it becomes yours')
    .option('--name <name>', 'who to be', 'you')
    .option('--deny', 'refuse it instead')
    .action((code: string, options: { name: string; deny?: boolean }) => approve(code, options));
  program
    .command('operator-key <name>')
    .description('make a key for the listener of operators (DINF_ADMIN_PORT); it is shown once')
    .action((name: string) => withBus((bus) => createOperator(bus, name)));
}

async function signIn(name: string): Promise<string> {
  const issuer = runningNetwork(homeFolder(process.env))?.issuer;
  if (issuer === undefined) throw new CommandError(EXIT.unavailable, 'No network runs out of this home. Another network says itself where to sign in.');
  const response = await fetch(`${issuer.url}/token?name=${encodeURIComponent(name)}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${issuer.secret}` },
  }).catch((cause: unknown) => {
    throw new CommandError(EXIT.unavailable, `Nobody answers at ${issuer.url}.`, { cause });
  });
  if (!response.ok) throw new CommandError(EXIT.failure, `${issuer.url} answered ${response.status}.`);
  return ((await response.json()) as { id_token: string }).id_token;
}

async function approve(code: string, { name, deny = false }: { name: string; deny?: boolean }): Promise<void> {
  const url = new URL('/v1/device/approve', coordinatorUrl(process.env));
  const response = await fetch(url, {
    method: 'POST',
    headers: { authorization: `Bearer ${await signIn(name)}`, 'content-type': 'application/json' },
    body: JSON.stringify({ user_code: code, approve: !deny }),
  });
  const answer = (await response.json()) as { error?: { message: string } };
  if (!response.ok) throw new CommandError(EXIT.failure, answer.error?.message ?? `${url} answered ${response.status}.`);
  console.log(deny ? 'refused' : 'approved: the machine is yours');
}

async function createOperator(bus: Bus, name: string): Promise<void> {
  const { services } = await import('#bus-schemas');
  const { makeOperatorKey } = await import('./secrets.ts');
  const { text, hash } = makeOperatorKey();
  const made = await bus.call(services.accounts.createOperator, { name, keyHash: hash }, CALL);
  if (!made.ok) throw new CommandError(EXIT.failure, `There is an operator named ${name} already.`);
  console.error(`operator ${name}; the key is shown this once:`);
  console.log(text);
}
