import { messageOf } from '#bus-schemas/message-of.ts';
import { type Environment, setting } from '#bus-schemas/settings/settings.ts';
import { LaunchError } from '#provider';

export type Runtime = 'containers' | 'local';

const LOOK_MS = 5_000;

/**
 * Chooses how tests start nats-server and Postgres. `auto`, the default, uses containers if a
 * container engine answers, because production uses them too, and local processes otherwise.
 */
export async function chooseRuntime(env: Environment = process.env): Promise<Runtime> {
  const wanted = setting('DINF_TEST_RUNTIME', env);
  if (wanted === 'local') return 'local';
  const missing = await whyNoContainers();
  if (missing === undefined) return 'containers';
  if (wanted === 'auto') return 'local';
  throw new LaunchError('no_container_engine', `DINF_TEST_RUNTIME=containers, but ${missing}`);
}

let answer: Promise<string | undefined> | undefined;

/**
 * Returns why containers cannot be started, or undefined if they can. The answer is computed once,
 * because the check takes up to `LOOK_MS` if no engine answers.
 */
export function whyNoContainers(): Promise<string | undefined> {
  answer ??= lookForEngine();
  return answer;
}

async function lookForEngine(): Promise<string | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<string>();
  const timer = setTimeout(
    () => resolve(`no container engine answered within ${LOOK_MS} ms`),
    LOOK_MS,
  );
  try {
    return await Promise.race([late, reachEngine()]);
  } finally {
    clearTimeout(timer);
  }
}

async function reachEngine(): Promise<string | undefined> {
  try {
    const { getContainerRuntimeClient } = await import('testcontainers');
    await getContainerRuntimeClient();
    return undefined;
  } catch (error) {
    return `no container engine answers (${messageOf(error)})`;
  }
}
