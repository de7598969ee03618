import { setTimeout as delay } from 'node:timers/promises';
import { UpdateError } from './update-error.ts';
import type { UpdateRecord } from './update-journal.ts';

/** `healthy`: the service does what it did before the update, or serves. `failed`: it gave up. */
export type Health = 'stopped' | 'starting' | 'healthy' | 'failed';

/** The service of one home, and the link that names its version. */
export interface SwitchedService {
  health(): Promise<Health>;
  /** Lets the running requests end, and ends the service. */
  stop(): Promise<void>;
  start(): Promise<void>;
  linked(): Promise<string | undefined>;
  link(version: string): Promise<void>;
  save(record: UpdateRecord): Promise<void>;
}

export interface SwitchOptions {
  readonly service: SwitchedService;
  readonly now: () => number;
  readonly print: (line: string) => void;
  /** Time in which the new version must be healthy, in milliseconds. */
  readonly healthyMs?: number;
  readonly lookMs?: number;
}

const HEALTHY_MS = 60_000;
const LOOK_MS = 500;

/**
 * Replaces the version of a service, and takes the old one back if the new one is not healthy in
 * time. A process that finds a record of an interrupted update calls this function again: each step
 * looks at what is there, so nothing is done twice.
 */
export async function switchVersion(record: UpdateRecord, options: SwitchOptions): Promise<void> {
  const { service, now, print } = options;
  if (record.status === 'taking_back') return await takeBack(record, options);
  const save = (status: UpdateRecord['status'], reason?: string) => {
    const saved = { ...record, status, at: now(), ...(reason !== undefined && { reason }) };
    return service.save(saved).then(() => saved);
  };
  await save('switching');
  if ((await service.linked()) !== record.to) {
    if (record.phase !== undefined) await service.stop();
    await service.link(record.to);
  }
  const reason = record.phase === undefined ? undefined : await startAndWatch(options);
  if (reason !== undefined) return await takeBack(await save('taking_back', reason), options);
  await save('updated');
  print(`Version ${record.version} is in use.`);
}

async function takeBack(
  record: UpdateRecord,
  { service, now, print }: SwitchOptions,
): Promise<never> {
  const { version, from, reason } = record;
  print(`Version ${version} ${reason}. The version before it is taken back.`);
  await service.stop();
  await service.link(from);
  await service.start();
  await service.save({ ...record, status: 'taken_back', at: now() });
  throw new UpdateError(
    'not_healthy',
    `Version ${version} ${reason}, so the version before it runs again. "dinf provider logs" shows more.`,
  );
}

/** Returns why the service is not healthy; undefined if it is. */
async function startAndWatch({
  service,
  healthyMs = HEALTHY_MS,
  lookMs = LOOK_MS,
}: SwitchOptions): Promise<string | undefined> {
  const giveUpAt = performance.now() + healthyMs;
  try {
    if ((await service.health()) === 'stopped') await service.start();
    for (;;) {
      const health = await service.health();
      if (health === 'healthy') return undefined;
      if (health === 'failed') return 'failed again and again';
      if (performance.now() > giveUpAt)
        return `did not serve within ${Math.round(healthyMs / 1_000)} s`;
      await delay(lookMs);
    }
  } catch (error) {
    return `could not be started (${error instanceof Error ? error.message : error})`;
  }
}
