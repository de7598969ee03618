import { join, resolve } from 'node:path';
import type { Network } from '#testcontainers';

/** The program without its bootstrap: tests run it on the Node that they run on. */
export const DINF = join(resolve(import.meta.dirname, '..'), 'bin', 'dinf.ts');

/** What points the program at a network, as in its operator's shell. */
export const operatorSettings = ({ home, config: { natsUrls, databaseUrl } }: Network) => ({
  DINF_HOME: home,
  DINF_NATS_URL: natsUrls.join(','),
  DATABASE_URL: databaseUrl,
});
