import { setTimeout as delay } from 'node:timers/promises';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import {
  type BackgroundService,
  isInstalled,
  startInstalled,
  startKept,
} from '#provider/service/background.ts';
import { ControlClient } from '#provider/service/control-client.ts';
import { installationOf } from '#provider/updates/installation.ts';
import { thisProgram } from './this-program.ts';

/** Time in which a new service must open its socket, in milliseconds. */
const OPEN_MS = 60_000;
const LOOK_MS = 100;
/** Variables of the user's session that the service needs too. */
const KEPT = [
  'PATH',
  'DINF_HOME',
  'DINF_CACHE',
  'DINF_LOG',
  'DINF_DRAFTS',
  'DINF_DRAFT_MODELS',
  'DINF_RERANKERS',
  'HF_HOME',
  'HF_HUB_CACHE',
  'HF_ENDPOINT',
];

/** Starts the service of a home in the background, and resolves when its socket is open. */
export async function launchService(
  home: string,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  // A token cannot be passed through the service manager, so the first start is a process of its own.
  if (isInstalled(home) && Object.keys(env).length === 0) await startInstalled(home);
  else startKept(backgroundService(home, env));
  await untilOpen(home);
}

/**
 * The service of a home. Where the installer of a network put the program, the service is started
 * through the link that names the version in use, so that it is the new version after an update.
 */
export function backgroundService(
  home: string,
  env: Readonly<Record<string, string>> = {},
): BackgroundService {
  const program = installationOf()?.launcher ?? thisProgram();
  const kept = KEPT.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : []));
  return {
    home,
    command: [process.execPath, program, 'provider', 'supervise', '--home', home],
    env: { ...Object.fromEntries(kept), ...env },
  };
}

export async function untilOpen(home: string): Promise<void> {
  const client = new ControlClient(home);
  const giveUpAt = performance.now() + OPEN_MS;
  while ((await client.hello()) === undefined) {
    if (performance.now() > giveUpAt)
      throw new CommandError(
        EXIT.failure,
        'The service did not start within a minute. "dinf provider logs" shows why.',
      );
    await delay(LOOK_MS);
  }
}
