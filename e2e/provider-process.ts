import { join } from 'node:path';
import { type SupervisedProcess, startSupervised } from '#provider';
import { DINF } from './dinf-program.ts';
import type { TestNetwork } from './test-network.ts';

/**
 * Starts `dinf provider` with a home of its own, and waits until it reports the models that it
 * serves.
 */
export const startProviderProcess = (
  { url, network }: TestNetwork,
  args: readonly string[],
  onLine: (line: string) => void = () => undefined,
  settings: NodeJS.ProcessEnv = {},
): Promise<SupervisedProcess> =>
  startSupervised({
    name: 'provider',
    command: process.execPath,
    args: [DINF, 'provider', '--coordinator', url, ...args],
    env: {
      ...process.env,
      DINF_HOME: join(network.home, 'elsewhere'),
      DINF_LOG: 'info',
      ...settings,
    },
    onLine,
    isReady: (line) => /^provider \S+ serves/.test(line),
    readyTimeoutMs: 120_000,
  });
