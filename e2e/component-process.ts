import { join, resolve } from 'node:path';
import type { ComponentName } from '#bus-schemas';
import { type SupervisedProcess, startSupervised } from '#provider';
import type { TestNetwork } from './test-network.ts';

const DINF = join(resolve(import.meta.dirname, '..'), 'bin', 'dinf.ts');

/** One component of the coordinator as a process of its own, the way an operator runs it. */
export function startComponentProcess({ network: { home, config } }: TestNetwork, component: ComponentName): Promise<SupervisedProcess> {
  return startSupervised({
    name: component,
    command: process.execPath,
    args: [DINF, 'coordinator', '--components', component],
    env: { ...process.env, DINF_HOME: home, DINF_NATS_URL: config.natsUrls.join(','), DATABASE_URL: config.databaseUrl, DINF_HTTP_PORT: '0', DINF_LOG: 'info' },
    isReady: (line) => line.includes('the coordinator runs'),
  });
}
