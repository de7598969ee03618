import type { StartedTestContainer } from 'testcontainers';
import { freePort } from '#network';

export interface ContainerOptions {
  readonly image: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly files?: readonly { readonly target: string; readonly content: string }[];
  /** Ports inside the container; each is mapped to a free port of this machine. */
  readonly ports: readonly number[];
  /** Matches the log line that the program in the container writes when it is ready. */
  readonly ready: RegExp;
  /** Number of such lines until the program is really ready; 1 by default. */
  readonly readyTimes?: number;
}

export interface RunningContainer {
  /** Returns the port of this machine for a port inside; it stays the same after a restart. */
  port(inside: number): number;
  logs(): readonly string[];
  /** Ends the container with SIGKILL. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Maximum time for a start or restart, in milliseconds. */
const READY_MS = 60_000;
/** Number of log lines kept in memory; older ones are dropped. */
const KEPT_LINES = 1_000;

export async function startContainer({
  image,
  command,
  environment,
  files,
  ports,
  ready,
  readyTimes = 1,
}: ContainerOptions): Promise<RunningContainer> {
  const { GenericContainer, getContainerRuntimeClient, Wait } = await import('testcontainers');
  const mapped = new Map(
    await Promise.all(ports.map(async (inside) => [inside, await freePort()] as const)),
  );
  const lines: string[] = [];
  let container = new GenericContainer(image)
    .withExposedPorts(...[...mapped].map(([inside, host]) => ({ container: inside, host })))
    .withEnvironment({ ...environment })
    .withWaitStrategy(Wait.forLogMessage(ready, readyTimes))
    .withStartupTimeout(READY_MS)
    .withLogConsumer((stream) => stream.on('data', (line) => keep(lines, String(line))));
  if (command) container = container.withCommand([...command]);
  if (files)
    container = container.withCopyContentToContainer(
      files.map(({ target, content }) => ({ target, content, mode: 0o644 })),
    );
  const running: StartedTestContainer = await container.start();
  const { container: engine } = await getContainerRuntimeClient();
  const handle = engine.getById(running.getId());
  return {
    port: (inside) => mapped.get(inside) ?? -1,
    logs: () => lines,
    kill: async () => void (await handle.kill({ signal: 'SIGKILL' })),
    restart: async () => {
      const { State } = await handle.inspect();
      if (State.Running) await handle.stop();
      const before = lines.length;
      await handle.start();
      const stream = await engine.logs(handle, { since: 0, tail: 0 });
      stream.on('data', (line) => keep(lines, String(line)));
      await appears(() => lines.slice(before).some((line) => ready.test(line)));
    },
    stop: async () => void (await running.stop({ timeout: 10_000 })),
  };
}

function keep(lines: string[], line: string): void {
  lines.push(line);
  if (lines.length > KEPT_LINES) lines.shift();
}

async function appears(test: () => boolean): Promise<void> {
  const giveUpAt = performance.now() + READY_MS;
  while (!test()) {
    if (performance.now() > giveUpAt)
      throw new Error('a container did not become ready after a restart');
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
