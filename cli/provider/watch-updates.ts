import type { Logger } from 'pino';
import { versionFolder } from '#bus-schemas/program-folders.mjs';
import { startApart } from '#provider/service/background.ts';
import type { Settings } from '#provider/service/settings.ts';
import type { Supervisor } from '#provider/service/supervisor.ts';
import { installationOf } from '#provider/updates/installation.ts';
import { isNewer, offeredPackage } from '#provider/updates/offer.ts';
import { UpdateWatch } from '#provider/updates/update-watch.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { backgroundService } from './launch-service.ts';
import { thisProgram } from './this-program.ts';

export interface WatchUpdatesOptions {
  readonly home: string;
  readonly supervisor: Supervisor;
  readonly settings: () => Promise<Settings>;
  readonly log: Pick<Logger, 'info' | 'warn'>;
}

/** Watches for updates of a program that the installer of a network put on this computer. */
export function watchUpdates({ home, supervisor, settings, log }: WatchUpdatesOptions) {
  const installation = installationOf();
  return new UpdateWatch({
    home,
    mode: async () =>
      installation === undefined ? 'off' : ((await settings()).updates ?? 'notify'),
    channel: async () => (await settings()).channel ?? 'stable',
    newerOffer: async (channel) => {
      const offer = await offeredPackage((await settings()).coordinator, channel);
      const isOther = versionFolder(offer) !== installation?.running;
      return isOther && !isNewer(packageJson.version, offer.version) ? offer : undefined;
    },
    install: () => {
      log.info({}, 'the update to the version of the network starts');
      const { env } = backgroundService(home);
      // Of this version: the link may name the new one before the update is complete.
      const program = [process.execPath, thisProgram()] as const;
      startApart({ home, env, command: [...program, 'provider', 'update', '--home', home] });
    },
    isWithdrawn: () => supervisor.state.trust?.fault === 'unknown_code',
    onFault: (error) => log.warn({ err: error }, 'no newer version could be looked for'),
  });
}
