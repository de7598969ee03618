import { Argument, type Command, Option } from 'commander';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import { messageOf } from '#bus-schemas/message-of.ts';
import { printFoundedFiles } from './founded-files.ts';
import { settings } from './with-bus.ts';

const CREDENTIALS = ['core-creds', 'sys-creds', 'ops-creds'] as const;
type Credentials = (typeof CREDENTIALS)[number];
const WHAT = ['receipts', 'log', 'signing', 'hub-ca', ...CREDENTIALS] as const;
type What = (typeof WHAT)[number];
const STEPS = ['begin', 'switch', 'finish'] as const;
type Step = (typeof STEPS)[number];

/**
 * `dinf network rotate …`: replaces a key of the network. It works on the folder of the keys; only
 * the last step for credentials of the bus needs a hub.
 */
export function addRotateCommand(network: Command): void {
  network
    .command('rotate')
    .addArgument(new Argument('<what>', 'the key').choices([...WHAT]))
    .addOption(
      new Option('--step <step>', 'the step of a rotation with several steps').choices([...STEPS]),
    )
    .description(
      'replace a key; it changes files, revokes old credentials at the hubs, and prints what to do next (docs/operating/secrets.md)',
    )
    .action((what: What, { step }: { step?: Step }) => rotate(what, step));
}

async function rotate(what: What, step: Step | undefined): Promise<void> {
  switch (what) {
    case 'receipts':
      refuseStep(what, step);
      return rotateReceipts();
    case 'log':
      refuseStep(what, step);
      return rotateLog();
    case 'signing':
      return rotateSigning(oneOf(step, ['begin', 'finish']));
    case 'hub-ca':
      return rotateHubCa(oneOf(step, STEPS));
    case 'core-creds':
    case 'sys-creds':
    case 'ops-creds':
      return rotateCredentials(what, oneOf(step, ['begin', 'finish']));
  }
}

function refuseStep(what: What, step: Step | undefined): void {
  if (step !== undefined)
    throw new CommandError(EXIT.usage, `The rotation of ${what} has one step: leave out --step.`);
}

function oneOf<Allowed extends Step>(step: Step | undefined, allowed: readonly Allowed[]): Allowed {
  const known = allowed.find((one) => one === step);
  if (known === undefined)
    throw new CommandError(EXIT.usage, `Give --step ${allowed.join(', then --step ')}.`);
  return known;
}

async function rotateReceipts(): Promise<void> {
  const { hex } = await import('#bus-schemas');
  const { rotateReceiptKey } = await import('#coordinator/founding/receipt-key-files.ts');
  const { keysFolder } = await settings();
  console.log(`The key for receipts is ${hex(await rotateReceiptKey(keysFolder))}.
Next: restart every settlement; the folder receipts must be the same for all of them. Trust writes the key
into the log within a minute. Keep the old files: receipts that they signed are checked with the log.`);
}

async function rotateLog(): Promise<void> {
  const { hex } = await import('#bus-schemas');
  const { rotateLogKey } = await import('#coordinator/founding/log-keys.ts');
  const { keysFolder } = await settings();
  console.log(`The key of the log is ${hex(await rotateLogKey(keysFolder))}; the old one is overwritten.
Next: copy log.pem and the files log-key-*.json to the keys of every trust, and restart all of them together:
a client that has seen the new key refuses the old one. Clients follow by themselves, because the old key
has signed the new one. Publish the new key where you published the old one.`);
}

async function rotateSigning(step: 'begin' | 'finish'): Promise<void> {
  const { beginSigningRotation, finishSigningRotation } = await import(
    '#coordinator/founding/rotate-signing-key.ts'
  );
  const { keysFolder } = await settings();
  if (step === 'begin') await beginSigningRotation(keysFolder);
  else await finishSigningRotation(keysFolder);
  await foundAgain();
  console.log(
    step === 'begin'
      ? `
Next: 1. Take operator.nk offline again.
      2. On each hub, put the new nats-server.conf in place of the old one and restart the hub; wait
         until it is back before the next one.
      3. Restart trust: it signs the accounts of all machines again with the new key.
      4. dinf network check, then dinf network rotate signing --step finish`
      : `
Next: 1. Take operator.nk offline again.
      2. On each hub, put the new nats-server.conf in place of the old one and restart the hub.
         From then on the old key is worth nothing.`,
  );
}

async function rotateHubCa(step: Step): Promise<void> {
  const { rotateHubAuthority } = await import('#coordinator/founding/rotate-hub-authority.ts');
  const { keysFolder } = await settings();
  await rotateHubAuthority(keysFolder, step, Date.now());
  await foundAgain();
  console.log(`\n${HUB_CA_NEXT[step]}`);
}

const HUB_CA_NEXT: Readonly<Record<Step, string>> = {
  begin: `Next: 1. Copy hub-ca.pem to the keys of every coordinator, and the folder tls to every hub; send the hubs SIGHUP.
      2. Restart every component of the coordinator, so that it accepts both authorities.
      3. Wait an hour: running machines fetch the certificates every ten minutes, others at their start.
      4. dinf network rotate hub-ca --step switch`,
  switch: `Next: 1. Copy hub-ca.pem to the keys of every coordinator, and the folder tls to every hub; send the hubs SIGHUP.
      2. dinf network check, then dinf network rotate hub-ca --step finish`,
  finish: `Next: 1. Copy hub-ca.pem to the keys of every coordinator, and the folder tls to every hub; send the hubs SIGHUP.
      2. Restart every component of the coordinator. From then on the old authority is worth nothing.`,
};

const USED_BY: Readonly<Record<Credentials, string>> = {
  'core-creds': 'to the keys of every coordinator, and restart its components one after the other.',
  'sys-creds': 'to the keys of every trust, and restart trust.',
  'ops-creds': 'to everyone who uses the tools of NATS.',
};

async function rotateCredentials(what: Credentials, step: 'begin' | 'finish'): Promise<void> {
  const { beginCredentialsRotation, finishCredentialsRotation } = await import(
    '#coordinator/founding/rotate-credentials.ts'
  );
  const config = await settings();
  const name = what === 'core-creds' ? 'core' : what === 'sys-creds' ? 'sys' : 'ops';
  const file = `${name}.creds`;
  if (step === 'begin') {
    await beginCredentialsRotation(config.keysFolder, name);
    return console.log(`${file} is new; the old credentials stay valid for now.
Next: 1. Copy ${file} ${USED_BY[what]}
      2. dinf network rotate ${what} --step finish`);
  }
  const { withSystemAccount } = await import('#coordinator/ask-jetstream.ts');
  const { replaceAccount } = await import('#coordinator/account-resolver.ts');
  const publish = (accountJwt: string) =>
    withSystemAccount(config, (system) => replaceAccount(system, accountJwt)).catch(
      (cause: unknown) => {
        throw new CommandError(
          EXIT.unavailable,
          `The hubs at ${config.natsUrls.join(', ')} did not accept the revocation: ${messageOf(cause)}. Repeat the command when they run.`,
          { cause },
        );
      },
    );
  await finishCredentialsRotation(config.keysFolder, name, { now: Date.now(), publish });
  console.log('The hubs refuse the old credentials and have ended their connections.');
  await foundAgain();
  console.log(`
Next: put the new nats-server.conf of each hub in place. A restart is not needed: a hub reads it when
it has lost its accounts.`);
}

/** Writes the configurations and certificates of the hubs that follow from the changed keys. */
async function foundAgain(): Promise<void> {
  const { foundNetwork } = await import('#coordinator/founding/found-network.ts');
  const { readPlan } = await import('#coordinator/founding/network-plan.ts');
  const { home, keysFolder } = await settings();
  const plan = readPlan(home);
  if (plan === undefined)
    return console.log('The hub of "dinf up" gets the new files when "dinf up" is started again.');
  printFoundedFiles(await foundNetwork({ home, keysFolder, plan, now: Date.now() }));
}
