import type { Logger } from 'pino';
import { DesiredError } from '#provider/desired/desired-error.ts';
import { DEFAULT_DESIRED_GB, DesiredJournal } from '#provider/desired/desired-journal.ts';
import { DesiredWatch } from '#provider/desired/desired-watch.ts';
import { fetchBuild } from '#provider/desired/fetch-build.ts';
import { HubApi } from '#provider/downloads/hub-api.ts';
import { wantedBuilds } from '#provider/service/sentence.ts';
import { readSettings, type Settings, saveSettings } from '#provider/service/settings.ts';
import type { Supervisor } from '#provider/service/supervisor.ts';
import { openSealedClient } from '../customer/sealed-session.ts';

export interface WatchDesiredOptions {
  readonly home: string;
  readonly supervisor: Supervisor;
  readonly settings: () => Promise<Settings>;
  readonly log: Pick<Logger, 'info' | 'warn'>;
}

/** Shows and fetches the builds that the network wants on this machine, as its owner allows. */
export function watchDesired({ home, supervisor, settings, log }: WatchDesiredOptions) {
  const journal = new DesiredJournal({ home, now: Date.now });
  return new DesiredWatch({
    wanted: () => wantedBuilds(supervisor.state, Date.now()),
    mode: async () => (await settings()).desired ?? 'ask',
    take: async (wanted, onProgress, signal) => {
      const { build, repository } = wanted;
      const { coordinator, models, desiredGb = DEFAULT_DESIRED_GB } = await settings();
      await journal.requireRoom(models);
      log.info({ build, repository }, 'a build that the network wants is fetched');
      using client = await openSealedClient({ coordinator, level: 'self_signed' }, (error) =>
        log.warn({ err: error }, 'the head of the log was not saved'),
      );
      await fetchBuild({
        wanted,
        hub: new HubApi(),
        isLogged: (entry) => client.log.has(entry),
        reserve: (bytes) => journal.reserve(bytes, desiredGb),
        onProgress,
        signal,
      });
      const added = await supervisor.add(repository);
      if ('fault' in added) throw new DesiredError('not_added', added.fault);
      await journal.took(repository, await addToSettings(home, repository));
      supervisor.load(added.build);
    },
    onFault: (error) => log.warn({ err: error }, 'a build that the network wants is not served'),
  });
}

/** Serves the model at later starts too, after the others. Returns all models. */
async function addToSettings(home: string, repository: string): Promise<readonly string[]> {
  const settings = await readSettings(home);
  if (settings === undefined) return [repository];
  const models = [...settings.models.filter((name) => name !== repository), repository];
  await saveSettings(home, { ...settings, models });
  return models;
}
