import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import { lockFolder } from '#bin/folder-lock.ts';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import { DEFAULT_DESIRED_GB } from '#provider/desired/desired-journal.ts';
import { BACKENDS } from '#provider/engine/backend-names.ts';
import { SOCKET_NAME } from '#provider/service/control-api.ts';
import type { ControlClient } from '#provider/service/control-client.ts';
import {
  UPDATE_CHANNELS,
  UPDATE_MODES,
  type UpdateChannel,
  type UpdateMode,
} from '#provider/updates/update-modes.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { wholeNumber } from '../option-parsers.ts';
import { stopSignal } from '../stop-signal.ts';
import { AUTO } from './engines.ts';
import { guestSettingsOf } from './guest-options.ts';
import { absoluteIfPath, addServeOptions, homeOption, type ServeOptions } from './serve-options.ts';
import type { UpdateOptions } from './update.ts';
import { upstreamArguments } from './upstream-options.ts';
import { workerCommand } from './worker-command.ts';

const LOOK_MS = 100;

/** Each row of the earnings is one of these. */
const EARNINGS_BY = ['model', 'day', 'job', 'reward'] as const;
export type EarningsBy = (typeof EARNINGS_BY)[number];

interface StartOptions extends ServeOptions {
  readonly updates: UpdateMode;
  readonly channel: UpdateChannel;
  readonly desiredGb: number;
}

interface Home {
  readonly home: string;
}

/** Adds the commands for a machine that serves in the background. */
export function addServiceCommands(provider: Command): void {
  addServeOptions(provider.command('start'))
    .addOption(
      new Option('--updates <mode>', 'newer versions of the network: off, shown, or installed')
        .choices([...UPDATE_MODES])
        .default('notify'),
    )
    .addOption(channelOption().default('stable'))
    .option(
      '--desired-gb <n>',
      'gigabytes that --desired on may download in a day',
      wholeNumber,
      DEFAULT_DESIRED_GB,
    )
    .description('serve models in the background; options are saved and hold for later starts')
    .action((options: StartOptions, command: Command) => start(options, command));
  const add = (name: string, description: string) =>
    provider.command(name).description(description).addOption(homeOption());
  add('stop', 'complete the running requests, and end the service').action(({ home }: Home) =>
    stop(resolve(home)),
  );
  add('restart', 'complete the running requests, and start the service again').action(
    ({ home }: Home) => restart(resolve(home)),
  );
  add(
    'clear-prefixes',
    'delete the encrypted pages of prompts from the disk; a running service continues',
  ).action(async ({ home }: Home) => {
    const { clearPrefixes } = await import('#provider/engine/stored/clear-prefixes.ts');
    const { files, bytes } = await clearPrefixes(resolve(home));
    console.log(`deleted ${files} files with ${(bytes / 1e9).toFixed(2)} GB`);
  });
  add('pause', 'accept no new requests, until "dinf provider resume"').action(({ home }: Home) =>
    setPaused(resolve(home), true),
  );
  add('resume', 'accept requests again').action(({ home }: Home) =>
    setPaused(resolve(home), false),
  );
  add('switch', 'load a model into memory now, and first at later starts; no answer is cut')
    .argument('<model>', 'a model that this machine serves or has on its disk')
    .action(async (model: string, { home }: Home) => {
      const { switchModel } = await import('./switch-model.ts');
      await switchModel(await runningClient(resolve(home)), absoluteIfPath(model));
    });
  add('accept', 'download, check and serve a build that the network wants on this machine')
    .argument('<build>', 'a build that "dinf provider status" names as wanted')
    .action(async (build: string, { home }: Home) => {
      const { acceptBuild } = await import('./accept-build.ts');
      await acceptBuild(await runningClient(resolve(home)), build);
    });
  add('status', 'show what the machine is doing, and why')
    .option('--json', 'print the state as JSON')
    .option('--watch', 'go on, and show each change')
    .action(async (options: Home & { json?: boolean; watch?: boolean }) => {
      const { showStatus } = await import('./status-screen.ts');
      await showStatus({ ...options, home: resolve(options.home) });
    });
  add('doctor', 'check everything that this machine needs to serve, and show what to do')
    .option('--json', 'print the findings as JSON')
    .action(async (options: Home & { json?: boolean }) => {
      const { examineMachine } = await import('./examine-machine.ts');
      await examineMachine({ ...options, home: resolve(options.home) });
    });
  add('report', 'write findings, state and log to one file for support, without content or keys')
    .option('--to <file>', 'the file to write', 'dinf-provider-report.txt')
    .action(async (options: Home & { to: string }) => {
      const { reportMachine } = await import('./examine-machine.ts');
      await reportMachine({ ...options, home: resolve(options.home) });
    });
  add('earnings', 'show what this machine earned, and how to spend or withdraw it')
    .addOption(new Option('--by <part>', 'rows').choices([...EARNINGS_BY]).default('model'))
    .option('--json', 'print the rows of days, jobs and rewards as JSON')
    .action(async (options: Home & { by: EarningsBy; json?: boolean }) => {
      const { showEarnings } = await import('./earnings.ts');
      await showEarnings({ ...options, home: resolve(options.home) });
    });
  add('logs', 'show the log of the service')
    .option('-n, --lines <n>', 'number of lines', wholeNumber, 50)
    .option('-f, --follow', 'go on, and show each new line')
    .action(async (options: Home & { lines: number; follow?: boolean }) => {
      const { showLogs } = await import('./log-view.ts');
      await showLogs({ ...options, home: resolve(options.home) });
    });
  add('update', 'install the version that the network offers, and go back if it does not serve')
    .option('--check', 'only show whether there is another version')
    .option('--allow-older', 'also install a version with a lower number')
    .addOption(channelOption())
    .action(async (options: Home & Omit<UpdateOptions, 'home'>) => {
      const { updateMachine } = await import('./update.ts');
      await updateMachine({ ...options, home: resolve(options.home) });
    });
  add(
    'install',
    'let this computer start the service by itself (systemd or launchd), also after a restart',
  ).action(({ home }: Home) => installService(resolve(home)));
  add('uninstall', 'end the service, and let the computer no longer start it').action(
    ({ home }: Home) => uninstallService(resolve(home)),
  );
  provider
    .command('supervise', { hidden: true })
    .description('run the service in the foreground; the background service is this command')
    .addOption(homeOption())
    .action(({ home }: Home) => supervise(resolve(home)));
}

const channelOption = () =>
  new Option(
    '--channel <channel>',
    'versions for all machines, or also those that are tried first',
  ).choices([...UPDATE_CHANNELS]);

async function clientOf(home: string) {
  const { ControlClient } = await import('#provider/service/control-client.ts');
  return new ControlClient(home);
}

async function runningClient(home: string) {
  const client = await clientOf(home);
  if ((await client.hello()) === undefined)
    throw new CommandError(
      EXIT.unavailable,
      `No service runs in ${home}. "dinf provider start" starts it.`,
    );
  return client;
}

async function start(options: StartOptions, command: Command): Promise<void> {
  const home = resolve(options.home);
  const { readSettings, saveSettings } = await import('#provider/service/settings.ts');
  const { mkdir } = await import('node:fs/promises');
  await mkdir(home, { recursive: true, mode: 0o700 });
  const saved = await readSettings(home);
  const isGiven = (name: string) =>
    name === 'upstream'
      ? upstreamArguments(options).length > 0
      : command.getOptionValueSource(name) === 'cli';
  const models = await modelsOf(options, saved !== undefined);
  const chosen = {
    coordinator: options.coordinator,
    engine: options.engine,
    models: models.map(absoluteIfPath),
    concurrency: options.concurrency,
    idleMinutes: options.idleMinutes,
    memoryPercent: options.memoryPercent,
    prefixDiskGb: options.prefixDiskGb,
    prefixDiskHours: options.prefixDiskHours,
    prefixDiskDailyGb: options.prefixDiskDailyGb,
    ...guestSettingsOf(options),
    link: options.link ?? false,
    upstream: upstreamArguments(options),
    local: options.local,
    updates: options.updates,
    channel: options.channel,
    desired: options.desired,
    desiredGb: options.desiredGb,
  };
  const names = { models: 'model' } as Readonly<Record<string, string>>;
  const changes = Object.fromEntries(
    Object.entries(chosen).filter(([name]) => isGiven(names[name] ?? name)),
  );
  await saveSettings(home, { ...chosen, isPaused: false, ...saved, ...changes });
  const client = await clientOf(home);
  if ((await client.hello()) === undefined) {
    const { launchService } = await import('./launch-service.ts');
    await launchService(home, await tokenOf(options));
  } else if (Object.keys(changes).length > 0) await restartWorker(client);
  await followStart(home);
}

/** The models to serve: at the first start of an own engine, the owner is asked if they name none. */
async function modelsOf(
  { model, engine, coordinator }: ServeOptions,
  isSaved: boolean,
): Promise<readonly string[]> {
  const isOwnEngine = engine === AUTO || BACKENDS.some((name) => name === engine);
  if (model.length > 0 || isSaved || !isOwnEngine) return model;
  const { pickModels } = await import('./pick-models.ts');
  return pickModels(coordinator);
}

/** The token for the first enrolment; it is passed on in the environment and saved nowhere. */
async function tokenOf({ token, tokenFile }: ServeOptions): Promise<Record<string, string>> {
  if (token !== undefined) return { DINF_ENROL_TOKEN: token };
  if (tokenFile === undefined) return {};
  const { readToken } = await import('./first-token.ts');
  return { DINF_ENROL_TOKEN: await readToken(tokenFile) };
}

/** Prints what happens until the machine serves, or cannot serve. */
async function followStart(home: string): Promise<void> {
  const client = await clientOf(home);
  let after = 0;
  let shown = '';
  for (;;) {
    const { phase, sentence } = await client.state();
    if (sentence !== shown) console.log(sentence);
    shown = sentence;
    if (phase === 'failed' || phase === 'crash_loop')
      throw new CommandError(EXIT.failure, sentence);
    if (!['starting', 'waiting_for_approval', 'restarting'].includes(phase)) return;
    after = (await client.events(after)).next;
  }
}

async function stop(home: string): Promise<void> {
  const client = await clientOf(home);
  if ((await client.hello()) === undefined) return console.log('No service runs here.');
  const { sentence } = await client.state();
  console.log(`Stopping. Until now: ${sentence}`);
  await client.begin('stop');
  while ((await client.hello()) !== undefined) await delay(LOOK_MS);
  console.log('Stopped.');
}

async function restart(home: string): Promise<void> {
  const client = await runningClient(home);
  await restartWorker(client);
  await followStart(home);
}

/** Resolves when the worker has ended; the next one is starting. */
async function restartWorker(client: ControlClient): Promise<void> {
  const { id } = await client.begin('restart');
  while ((await client.operation(id)).status === 'running') await delay(LOOK_MS);
}

async function setPaused(home: string, isPaused: boolean): Promise<void> {
  const client = await runningClient(home);
  console.log((await client.setPaused(isPaused)).sentence);
}

async function installService(home: string): Promise<void> {
  const { install } = await import('#provider/service/background.ts');
  const { backgroundService, untilOpen } = await import('./launch-service.ts');
  const { readSettings } = await import('#provider/service/settings.ts');
  if ((await readSettings(home)) === undefined)
    throw new CommandError(
      EXIT.usage,
      'Start the machine once with "dinf provider start" and its options, which are then saved.',
    );
  if ((await (await clientOf(home)).hello()) !== undefined) await stop(home);
  for (const warning of await install(backgroundService(home))) console.log(warning);
  await untilOpen(home);
  await followStart(home);
}

async function uninstallService(home: string): Promise<void> {
  const { isInstalled, uninstall } = await import('#provider/service/background.ts');
  if (!isInstalled(home))
    throw new CommandError(EXIT.usage, 'The service of this home is not installed.');
  await uninstall(home);
  console.log('The service ended, and this computer no longer starts it.');
}

async function supervise(home: string): Promise<void> {
  await using _lock = lockFolder({
    folder: home,
    command: 'provider supervise',
    remedy: 'use another folder with --home',
  });
  const { readSettings } = await import('#provider/service/settings.ts');
  const savedSettings = async () => {
    const settings = await readSettings(home);
    if (settings !== undefined) return settings;
    throw new CommandError(EXIT.usage, `${home} holds no settings. Use "dinf provider start".`);
  };
  const { isPaused } = await savedSettings();
  const { LogFile } = await import('#provider/service/log-file.ts');
  const { Supervisor } = await import('#provider/service/supervisor.ts');
  const { serveMachine } = await import('#provider/service/service.ts');
  const { pino } = await import('pino');
  const file = new LogFile(home);
  const log = pino({ base: { name: 'supervisor' } }, { write: (line) => file.add(line.trimEnd()) });
  const supervisor = new Supervisor({
    command: async () => workerCommand(home, await savedSettings()),
    env: process.env,
    isPaused,
    log,
    onLine: (line) => file.add(line),
  });
  // A service that ends in order removes its socket.
  if (existsSync(join(home, SOCKET_NAME))) {
    log.warn({}, 'the service before this one ended unexpectedly');
    supervisor.events.addStartedAgain(Date.now());
  }
  const { watchUpdates } = await import('./watch-updates.ts');
  using updates = watchUpdates({ home, supervisor, settings: savedSettings, log });
  const { watchDesired } = await import('./watch-desired.ts');
  await using desired = watchDesired({ home, supervisor, settings: savedSettings, log });
  await using _control = await serveMachine({
    home,
    version: packageJson.version,
    supervisor,
    updates,
    desired,
    onFault: (error) => log.warn({ err: error }, 'the reasons of idle hours are not saved'),
  });
  void stopSignal().then(() => supervisor.stop());
  await supervisor.over;
}
