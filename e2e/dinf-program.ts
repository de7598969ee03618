import { join, resolve } from 'node:path';
import type { Network } from '#network';

/** Path of the program without its bootstrap: tests run it under the Node that runs them. */
export const DINF = join(resolve(import.meta.dirname, '..'), 'bin', 'dinf.ts');

/** Environment variables with which an operator's commands reach the network. */
export const operatorSettings = ({ home, config: { natsUrls, databaseUrl } }: Network) => ({
  DINF_HOME: home,
  DINF_NATS_URL: natsUrls.join(','),
  DATABASE_URL: databaseUrl,
});
