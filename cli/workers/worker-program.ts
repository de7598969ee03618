import { once } from 'node:events';
import { messageOf } from '#bus-schemas/message-of.ts';
import { tuneForServing } from '#bus-schemas/serving-process.ts';
import { startCoordinator } from '#coordinator';
import { createLogger } from '#coordinator/logger.ts';
import { stopSignal } from '../stop-signal.ts';
import { type IngressWorkerOrder, WORKER_LISTENS } from './worker-order.ts';

// The program of one of several ingresses that share the ports of the API. Its parent sends it the
// configuration, which may contain secrets that no command line and no file should have.
async function runWorker(): Promise<void> {
  const stopped = stopSignal();
  const [{ config }] = (await once(process, 'message')) as [IngressWorkerOrder];
  const log = createLogger({ name: 'coordinator', level: config.logLevel }).child({
    worker: config.worker?.index,
  });
  await using _coordinator = await startCoordinator({ config, components: ['ingress'], log });
  tuneForServing();
  console.log(WORKER_LISTENS);
  await stopped;
}

await runWorker().catch((error: unknown) => {
  console.error(messageOf(error));
  process.exitCode = 1;
});
process.disconnect?.();
