import { rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { compiledModules } from '#bin/compile-cache.mjs';
import { runNpm } from '#bin/npm.mjs';
import { tryLock } from '#bus-schemas/file-lock.ts';
import { versionFolder } from '#bus-schemas/program-folders.mjs';
import { coordinatorUrl } from '#bus-schemas/running-network.ts';
import { ControlClient } from '#provider/service/control-client.ts';
import { readSettings, saveSettings } from '#provider/service/settings.ts';
import {
  type Installation,
  installationOf,
  linkedVersion,
  linkVersion,
  removeOldVersions,
} from '#provider/updates/installation.ts';
import { isNewer, type OfferedVersion, offeredPackage } from '#provider/updates/offer.ts';
import { stage } from '#provider/updates/staging.ts';
import {
  type Health,
  type SwitchedService,
  switchVersion,
} from '#provider/updates/switch-version.ts';
import { UpdateError } from '#provider/updates/update-error.ts';
import {
  isUnfinished,
  readUpdate,
  type UpdateRecord,
  writeUpdate,
} from '#provider/updates/update-journal.ts';
import type { UpdateChannel } from '#provider/updates/update-modes.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { openSealedClient } from '../customer/sealed-session.ts';
import { launchService } from './launch-service.ts';

export interface UpdateOptions {
  readonly home: string;
  readonly check?: boolean;
  readonly allowOlder?: boolean;
  /** Saved for later updates; undefined for the saved channel. */
  readonly channel?: UpdateChannel;
}

/** Time in which a service must end after it was told to, in milliseconds. */
const STOP_MS = 100_000;
const LOOK_MS = 200;
/** Phases in which the worker runs and does what its owner wants. */
const HEALTHY = ['serving', 'paused', 'closed', 'waiting_for_approval'];
/** Phases that end by themselves. */
const STARTING = ['starting', 'restarting', 'stopping'];
const GIVEN_UP = ['crash_loop', 'failed'];

/** Installs the version that the network offers, and continues an update that was interrupted. */
export async function updateMachine({
  home,
  check,
  allowOlder,
  channel: chosen,
}: UpdateOptions): Promise<void> {
  const installation = installationOf();
  if (installation === undefined)
    throw new UpdateError(
      'not_ours',
      'This program was not installed by the installer of a network (install.sh), so update it the way it was installed: for example with git, npm or Homebrew.',
    );
  const lock = tryLock(join(installation.versions, 'update.lock'));
  if (!('lock' in lock))
    throw new UpdateError('busy', `Another update runs (process ${lock.holders.join(', ')}).`);
  await using _lock = lock.lock;
  const print = (line: string) => console.log(line);
  const options = { now: Date.now, print };
  const interrupted = await readUpdate(home);
  if (interrupted !== undefined && isUnfinished(interrupted)) {
    print(`The update to version ${interrupted.version} was interrupted and continues.`);
    const service = serviceOf(home, installation, interrupted.phase);
    return await switchVersion(interrupted, { ...options, service });
  }
  const settings = await readSettings(home);
  const coordinator = settings?.coordinator ?? coordinatorUrl(process.env);
  const channel = chosen ?? settings?.channel ?? 'stable';
  if (chosen !== undefined && settings !== undefined && settings.channel !== chosen && !check) {
    await saveSettings(home, { ...settings, channel });
    print(`Later versions come from the channel ${channel}.`);
  }
  const offer = await offeredPackage(coordinator, channel);
  const from = (await linkedVersion(installation)) ?? installation.running;
  if (versionFolder(offer) === from)
    return print(`Version ${offer.version} is in use, and ${coordinator} offers no other.`);
  if (isNewer(packageJson.version, offer.version) && !allowOlder)
    throw new UpdateError(
      'older',
      `${coordinator} offers version ${offer.version} in the channel ${channel}, which is older than ${packageJson.version}. --allow-older installs it.`,
    );
  if (check)
    return print(`Version ${offer.version} is available. "dinf provider update" installs it.`);
  const to = await stageFrom(coordinator, offer, installation);
  const client = new ControlClient(home);
  const phase = (await client.hello()) && (await client.state()).phase;
  const record: UpdateRecord = {
    status: 'switching',
    from,
    to,
    version: offer.version,
    sha256: offer.sha256,
    ...(phase !== undefined && { phase }),
    at: Date.now(),
  };
  await switchVersion(record, { ...options, service: serviceOf(home, installation, phase) });
  await removeOldVersions(installation, [from, to]);
  await rm(compiledModules(process.env), { recursive: true, force: true });
}

async function stageFrom(
  coordinator: string,
  offer: OfferedVersion,
  installation: Installation,
): Promise<string> {
  using client = await openSealedClient({ coordinator, level: 'self_signed' }, (error) =>
    console.error(`dinf: the head of the log was not saved: ${error}`),
  );
  return await stage({
    installation,
    coordinator,
    offer,
    signal: AbortSignal.any([]),
    isLogged: (entry) => client.log.has(entry),
    print: (line) => console.log(line),
    install: (prefix, packageFile) =>
      runNpm({
        node: process.execPath,
        args: [
          ...['install', '--global', '--prefix', prefix],
          ...['--ignore-scripts', '--no-audit', '--no-fund', packageFile],
        ],
        cwd: prefix,
        what: basename(packageFile),
      }),
  });
}

/** `phaseBefore` is the phase of the service before the update. */
function serviceOf(
  home: string,
  installation: Installation,
  phaseBefore: string | undefined,
): SwitchedService {
  const client = new ControlClient(home);
  return {
    health: async (): Promise<Health> => {
      if ((await client.hello()) === undefined) return 'stopped';
      const { phase } = await client.state();
      const isAsBefore = phase === phaseBefore && !STARTING.includes(phase);
      if (GIVEN_UP.includes(phase)) return 'failed';
      return isAsBefore || HEALTHY.includes(phase) ? 'healthy' : 'starting';
    },
    stop: () => stopService(client),
    start: () => launchService(home),
    linked: () => linkedVersion(installation),
    link: (version) => linkVersion(installation, version),
    save: (record) => writeUpdate(home, record),
  };
}

/** A service that does not end in time is killed, because the other version needs its home. */
async function stopService(client: ControlClient): Promise<void> {
  const hello = await client.hello();
  if (hello === undefined) return;
  await client.begin('stop');
  const giveUpAt = performance.now() + STOP_MS;
  while ((await client.hello()) !== undefined) {
    if (performance.now() > giveUpAt) process.kill(hello.pid, 'SIGKILL');
    await delay(LOOK_MS);
  }
}
