import type { Command } from 'commander';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import { coordinatorUrl, homeFolder, runningNetwork } from '#bus-schemas/running-network.ts';
import type { Bus } from '#coordinator/bus.ts';
import { sessionHeaders, signInAt } from '../customer/saved-session.ts';
import { withBus } from './with-bus.ts';

const CALL = { timeoutMs: 5_000 };

interface SignInOptions {
  readonly name: string;
  readonly link?: boolean;
  readonly password?: boolean;
  readonly account?: string;
}

interface ApproveOptions {
  readonly name: string;
  readonly account?: string;
  readonly deny?: boolean;
}

interface OperatorKeyOptions {
  readonly revoke?: boolean;
  readonly list?: boolean;
}

/**
 * Commands for people: signing in, approving a machine, becoming an operator.
 */
export function addAccountCommands(program: Command): void {
  program
    .command('sign-in')
    .description(
      'sign in: at a network that "dinf up" runs, print a token for what only people may do; at any other, wait until you approve a code in its console',
    )
    .option('--name <name>', 'who to be', 'you')
    .option('--link', 'print a link that signs in to the console once, instead of the token')
    .option(
      '--account <id>',
      'with --link, as operator: sign in to this account; works on every network whose keys are here',
    )
    .option(
      '--password',
      'print the password of the sign-in page, with which one can be any person',
    )
    .action(async (options: SignInOptions) => {
      if (isElsewhere(options)) return signInAt(coordinatorUrl(process.env));
      console.log(await credential(options));
    });
  program
    .command('approve <code>')
    .description('approve the machine that shows this code: it becomes yours')
    .option('--name <name>', 'who to be', 'you')
    .option(
      '--account <id>',
      'as operator, approve it for this account; works on every network whose keys are here',
    )
    .option('--deny', 'refuse it instead')
    .action((code: string, options: ApproveOptions) => approve(code, options));
  program
    .command('operator-key')
    .argument('[name]', 'who the key is for')
    .option(
      '--revoke',
      'the key of this operator stops working at once; the name is not given again',
    )
    .option('--list', 'every operator, and whether their key works')
    .description('make a key for the listener of operators (DINF_ADMIN_PORT); it is shown once')
    .action((name: string | undefined, options: OperatorKeyOptions) =>
      withBus((bus) => operatorKey(bus, name, options)),
    );
}

/** Whether the command is for a network that does not run out of this home. */
function isElsewhere({ link, password }: Pick<SignInOptions, 'link' | 'password'>): boolean {
  if (link || password) return false;
  const running = runningNetwork(homeFolder(process.env));
  return running?.issuer === undefined || running.httpUrl !== coordinatorUrl(process.env);
}

async function credential({ name, link, password, account }: SignInOptions): Promise<string> {
  if (link) return signInLink(name, account);
  return password ? localIssuer().secret : signIn(name);
}

/** The sign-in service of the network that "dinf up" runs. */
function localIssuer(): { readonly url: string; readonly secret: string } {
  const issuer = runningNetwork(homeFolder(process.env))?.issuer;
  if (issuer !== undefined) return issuer;
  throw new CommandError(
    EXIT.unavailable,
    'No network runs out of this home. Another network says itself where to sign in.',
  );
}

async function signIn(name: string): Promise<string> {
  const issuer = localIssuer();
  const response = await fetch(`${issuer.url}/token?name=${encodeURIComponent(name)}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${issuer.secret}` },
  }).catch((cause: unknown) => {
    throw new CommandError(EXIT.unavailable, `Nobody answers at ${issuer.url}.`, { cause });
  });
  if (!response.ok)
    throw new CommandError(EXIT.failure, `${issuer.url} answered ${response.status}.`);
  return ((await response.json()) as { id_token: string }).id_token;
}

/** A link to the console for this person, or for an account of which the operator knows the id. */
async function signInLink(name: string, account: string | undefined): Promise<string> {
  const issuer = runningNetwork(homeFolder(process.env))?.issuer;
  if (account === undefined && issuer === undefined)
    throw new CommandError(
      EXIT.usage,
      'No network with a sign-in of its own runs out of this home. As operator of another network, name an account with --account.',
    );
  return withBus(async (bus) => {
    const { services } = await import('#bus-schemas');
    const { makeSignInLink } = await import('#coordinator/sign-in-link.ts');
    const person = { issuer: issuer?.url ?? '', subject: name, email: `${name}@localhost` };
    const owner =
      account === undefined ? await bus.call(services.accounts.signIn, person, CALL) : { account };
    const url = coordinatorUrl(process.env);
    const link = await makeSignInLink(bus, { owner, url, now: Date.now() });
    if (link === undefined)
      throw new CommandError(EXIT.failure, `There is no account ${owner.account}.`);
    return link;
  });
}

async function approve(
  code: string,
  { name, account, deny = false }: ApproveOptions,
): Promise<void> {
  if (account !== undefined)
    return withBus((bus) => approveFor(bus, { code, account, approve: !deny }));
  const network = coordinatorUrl(process.env);
  const url = new URL('/v1/device/approve', network);
  const credentials = isElsewhere({})
    ? await sessionHeaders(network)
    : { authorization: `Bearer ${await signIn(name)}` };
  const response = await fetch(url, {
    method: 'POST',
    headers: { ...credentials, 'content-type': 'application/json' },
    body: JSON.stringify({ user_code: code, approve: !deny }),
  });
  const answer = (await response.json()) as { error?: { message: string } };
  if (!response.ok)
    throw new CommandError(
      EXIT.failure,
      answer.error?.message ?? `${url} answered ${response.status}.`,
    );
  console.log(deny ? 'refused' : 'approved: the machine is yours');
}

async function approveFor(
  bus: Bus,
  { code, account, approve }: { code: string; account: string; approve: boolean },
): Promise<void> {
  const { services } = await import('#bus-schemas');
  const userCode = code.toUpperCase().replace(/[^A-Z]/g, '');
  const decided = await bus.call(
    services.accounts.decideLink,
    { userCode, account, approve },
    CALL,
  );
  if (!decided.ok) {
    const { accountRefusals, refusalError } = await import('#http-api/refusals.ts');
    throw refusalError(accountRefusals.decideLink[decided.code]);
  }
  console.log(approve ? `approved: the machine belongs to ${account}` : 'refused');
}

async function operatorKey(
  bus: Bus,
  name: string | undefined,
  { revoke = false, list = false }: OperatorKeyOptions,
): Promise<void> {
  if (list) return listOperators(bus);
  if (name === undefined) throw new CommandError(EXIT.usage, 'Name the operator, or give --list.');
  await (revoke ? revokeOperator(bus, name) : createOperator(bus, name));
}

async function listOperators(bus: Bus): Promise<void> {
  const { services } = await import('#bus-schemas');
  const { operators } = await bus.call(services.accounts.listOperators, {}, CALL);
  for (const { name, createdAt, revokedAt } of operators)
    console.log(
      `${name}  since ${new Date(createdAt).toISOString()}  ${revokedAt === undefined ? 'active' : `revoked ${new Date(revokedAt).toISOString()}`}`,
    );
}

async function revokeOperator(bus: Bus, name: string): Promise<void> {
  const { services } = await import('#bus-schemas');
  const revoked = await bus.call(services.accounts.revokeOperator, { name }, CALL);
  if (!revoked.ok)
    throw new CommandError(
      EXIT.failure,
      `No operator named ${name} has a key that works. "dinf operator-key --list" shows them all.`,
    );
  console.log(`The key of ${name} does not work any more.`);
}

async function createOperator(bus: Bus, name: string): Promise<void> {
  const { services } = await import('#bus-schemas');
  const { makeOperatorKey } = await import('#coordinator/secrets.ts');
  const { text, hash } = makeOperatorKey();
  const made = await bus.call(services.accounts.createOperator, { name, keyHash: hash }, CALL);
  if (!made.ok)
    throw new CommandError(
      EXIT.failure,
      `There is, or was, an operator named ${name}. Choose another name.`,
    );
  console.error(`operator ${name}; the key is shown this once:`);
  console.log(text);
}
