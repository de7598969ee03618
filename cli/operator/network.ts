import type { Command } from 'commander';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import { DEFAULT_HUB_PORTS } from '#coordinator/founding/hub-ports.ts';
import { port, releaseName } from '../option-parsers.ts';
import { printFoundedFiles } from './founded-files.ts';
import { addRotateCommand } from './rotate.ts';
import { settings } from './with-bus.ts';

interface InitOptions {
  readonly hub: readonly string[];
  readonly clientPort: number;
  readonly leafPort: number;
  readonly clusterPort: number;
  readonly helm?: string;
}

export function addNetworkCommands(program: Command): void {
  const network = program.command('network').description('found a network and check it');
  network
    .command('init')
    .description(
      'make the keys of a network, and the configuration and certificate of each hub; repeat it to add hubs',
    )
    .option(
      '--hub <host[@private]>',
      'a hub: the name at which machines reach it, and the address for the other parts of the network; may be given again',
      (one: string, all: string[]) => [...all, one],
      [],
    )
    .option(
      '--client-port <port>',
      'port of these hubs for the coordinator',
      port,
      DEFAULT_HUB_PORTS.client,
    )
    .option('--leaf-port <port>', 'port of these hubs for machines', port, DEFAULT_HUB_PORTS.leaf)
    .option(
      '--cluster-port <port>',
      'port of these hubs for the other hubs',
      port,
      DEFAULT_HUB_PORTS.cluster,
    )
    .option(
      '--helm <release>',
      'the hubs are three pods of this Helm release, and --hub is the name of their load balancer; writes values and secrets for the charts d-inference and nats',
      releaseName,
    )
    .addHelpText(
      'after',
      '\nDINF_HOME names the folder of the network (default .dinf), DINF_KEYS another folder for its keys.',
    )
    .action((options: InitOptions) => init(options));
  network
    .command('hub <name>')
    .description('run a hub of this network in the foreground, or the hub of a copied folder')
    .action((name: string) => runHub(name));
  network
    .command('check')
    .description('check hubs, certificates, clocks, accounts, database and API, each by name')
    .option('--json', 'for programs')
    .action((options: { json?: boolean }) => check(options));
  addRotateCommand(network);
}

async function init({ hub, clientPort, leafPort, clusterPort, helm }: InitOptions): Promise<void> {
  const [{ foundNetwork, hubFolder }, { PlanError, planWith, readPlan }] = await Promise.all([
    import('#coordinator/founding/found-network.ts'),
    import('#coordinator/founding/network-plan.ts'),
  ]);
  const { home, keysFolder } = await settings();
  const ports = { client: clientPort, leaf: leafPort, cluster: clusterPort };
  const hubs = helm === undefined ? hub : await podsOf(helm, hub);
  const plan = planWith(readPlan(home), { hubs, ports });
  const [first] = plan.hubs;
  if (first === undefined)
    throw new PlanError('Name at least one hub, for example --hub hub1.example.org@10.0.0.1');
  printFoundedFiles(await foundNetwork({ home, keysFolder, plan, release: helm, now: Date.now() }));
  console.log(`
The keys are in ${keysFolder}. Store operator.nk offline: the network does not need it to run.

Next:
${helm === undefined ? stepsOnMachines(home, hubFolder(home, first)) : stepsInKubernetes(home, helm)}`);
}

/** Returns the hubs of a Helm release; none if they are in the plan already. */
async function podsOf(release: string, hub: readonly string[]): Promise<readonly string[]> {
  const { hubsOfRelease } = await import('#coordinator/founding/helm-values.ts');
  const [name, ...others] = hub;
  if (others.length > 0 || name?.includes('@'))
    throw new CommandError(
      EXIT.usage,
      'With --helm, give one --hub HOST: the name at which machines reach the load balancer of the hubs.',
    );
  return name === undefined ? [] : hubsOfRelease(release, name);
}

const stepsOnMachines = (home: string, firstHub: string) => `\
  1. Copy each folder of ${home}/hubs to the machine of its hub, and start the hub there:
       dinf network hub ${firstHub}
  2. On the machine of the coordinator, with DATABASE_URL set:
       dinf migrate && dinf coordinator
  3. dinf network check`;

const stepsInKubernetes = (home: string, release: string) => `\
  1. kubectl apply -f ${home}/helm/secrets.yaml
  2. With the chart of packaging/helm in the repository, in the same namespace:
       helm install ${release} packaging/helm/d-inference -f ${home}/helm/values.yaml
  3. Let the name of the hubs lead to the service ${release}-leaf.`;

/**
 * Runs nats-server in the folder of a hub. It gets the signals of this process: SIGHUP to reload,
 * SIGUSR2 to hand over its work and end.
 */
async function runHub(name: string): Promise<void> {
  const { spawn } = await import('node:child_process');
  const { existsSync } = await import('node:fs');
  const { join, resolve } = await import('node:path');
  const { hubFolder } = await import('#coordinator/founding/found-network.ts');
  const { cacheFolder, findNatsServer } = await import('#provider');
  const { home } = await settings();
  const folder = name.includes('/') ? resolve(name) : hubFolder(home, { name });
  if (!existsSync(join(folder, 'nats-server.conf')))
    throw new CommandError(
      EXIT.usage,
      `${folder} has no nats-server.conf. "dinf network init" makes the folders of hubs.`,
    );
  const { path } = await findNatsServer({
    cacheDir: cacheFolder(process.env),
    log: (line) => process.stderr.write(`dinf: ${line}\n`),
  });
  const child = spawn(path, ['-c', 'nats-server.conf'], { cwd: folder, stdio: 'inherit' });
  // In other commands a second SIGHUP ends the process (bin/signals.ts). A hub reloads at each one.
  process.removeAllListeners('SIGHUP');
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2'] as const)
    process.on(signal, () => child.kill(signal));
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>(
    (resolveExit, reject) => {
      child.once('error', reject);
      child.once('exit', (...exit) => resolveExit(exit));
    },
  );
  if (code !== 0 && signal === null)
    throw new CommandError(EXIT.failure, `The hub ended with exit code ${code}.`);
}

async function check({ json }: { json?: boolean }): Promise<void> {
  const { checkNetwork } = await import('#coordinator/founding/check/network-check.ts');
  const findings = await checkNetwork(await settings(), Date.now());
  if (json) console.log(JSON.stringify(findings));
  else
    for (const { check: name, state, detail, remedy } of findings) {
      console.log(`${state.padEnd(8)} ${name}: ${detail}`);
      if (remedy !== undefined) console.log(`         ${remedy}`);
    }
  const broken = findings.filter(({ state }) => state === 'failed').length;
  if (broken > 0)
    throw new CommandError(EXIT.unavailable, `${broken} of ${findings.length} checks failed.`);
}
