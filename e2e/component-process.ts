import type { ComponentName } from '#bus-schemas';
import { type SupervisedProcess, startSupervised } from '#provider';
import { DINF, operatorSettings } from './dinf-program.ts';
import type { TestNetwork } from './test-network.ts';

/** Starts one component of the coordinator in a process of its own, as an operator does. */
export function startComponentProcess(
  { network }: TestNetwork,
  component: ComponentName,
  settings: Readonly<Record<string, string>> = {},
): Promise<SupervisedProcess> {
  return startSupervised({
    name: component,
    command: process.execPath,
    args: [DINF, 'coordinator', '--components', component],
    env: {
      ...process.env,
      ...operatorSettings(network),
      DINF_HTTP_PORT: '0',
      DINF_DRAIN_NOTICE_MS: '0',
      DINF_LOG: 'info',
      ...settings,
    },
    // A stopping ingress waits for running answers.
    stopTimeoutMs: 60_000,
    isReady: (line) => line.includes('the coordinator runs'),
  });
}
