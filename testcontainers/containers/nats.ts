import { setting } from '#bus-schemas/settings/settings.ts';
import type { NatsNode, NatsNodeOptions } from '#network';
import { startContainer } from './container.ts';

const INSIDE = { client: 4222, leaf: 7422, monitor: 8222 } as const;
const HOME = '/data';

export async function startContainerNats({
  config,
  files = {},
}: NatsNodeOptions): Promise<NatsNode> {
  const running = await startContainer({
    image: setting('DINF_TEST_NATS_IMAGE'),
    command: ['-c', '/etc/dinf/nats-server.conf'],
    files: [
      {
        target: '/etc/dinf/nats-server.conf',
        content: config({ host: '0.0.0.0', home: HOME, ports: INSIDE }),
      },
      ...Object.entries(files).map(([name, content]) => ({ target: `${HOME}/${name}`, content })),
    ],
    ports: Object.values(INSIDE),
    ready: /Server is ready/,
  });
  const ports = {
    client: running.port(INSIDE.client),
    leaf: running.port(INSIDE.leaf),
    monitor: running.port(INSIDE.monitor),
  };
  return {
    ports,
    clientUrl: `nats://127.0.0.1:${ports.client}`,
    leafUrl: `nats-leaf://127.0.0.1:${ports.leaf}`,
    monitorUrl: `http://127.0.0.1:${ports.monitor}`,
    logs: running.logs,
    kill: running.kill,
    restart: running.restart,
    stop: running.stop,
    [Symbol.asyncDispose]: running.stop,
  };
}
