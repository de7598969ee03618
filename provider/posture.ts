import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Posture } from '#bus-schemas';

const run = promisify(execFile);

type Protection = Posture['secureBoot'];

const UNKNOWN: Posture = {
  systemIntegrity: 'unknown',
  secureBoot: 'unknown',
  authenticatedRoot: 'unknown',
  debuggersDenied: 'unknown',
};
const TIMEOUT_MS = 5_000;

/**
 * The state of the protections that macOS reports. On other systems all of them are `unknown`,
 * except that debuggers may be denied.
 */
export async function postureOf(
  debuggersDenied: boolean,
  platform: NodeJS.Platform = process.platform,
): Promise<Posture> {
  const denied: Protection = debuggersDenied ? 'on' : 'unknown';
  if (platform !== 'darwin') return { ...UNKNOWN, debuggersDenied: denied };
  const [integrity, root, boot] = await Promise.all([
    outputOf('/usr/bin/csrutil', ['status']),
    outputOf('/usr/bin/csrutil', ['authenticated-root', 'status']),
    outputOf('/usr/sbin/system_profiler', ['SPiBridgeDataType']),
  ]);
  return {
    systemIntegrity: integrityIn(integrity),
    authenticatedRoot: authenticatedRootIn(root),
    secureBoot: secureBootIn(boot),
    debuggersDenied: denied,
  };
}

/** Anything but a plain "enabled", such as a custom configuration, counts as switched off. */
export function integrityIn(text: string | undefined): Protection {
  const state = /System Integrity Protection status: ([^\n]*)/.exec(text ?? '')?.[1];
  return state === undefined ? 'unknown' : /^enabled\.?$/.test(state.trim()) ? 'on' : 'off';
}

export function authenticatedRootIn(text: string | undefined): Protection {
  const state = /Authenticated Root status: ([^\n]*)/.exec(text ?? '')?.[1];
  return state === undefined ? 'unknown' : /^enabled\.?$/.test(state.trim()) ? 'on' : 'off';
}

export function secureBootIn(text: string | undefined): Protection {
  const state = /Secure Boot: ([^\n]*)/.exec(text ?? '')?.[1];
  return state === undefined ? 'unknown' : /^Full Security$/.test(state.trim()) ? 'on' : 'off';
}

async function outputOf(command: string, args: readonly string[]): Promise<string | undefined> {
  try {
    return (await run(command, [...args], { timeout: TIMEOUT_MS })).stdout;
  } catch {
    // The command is missing or failed, so the state of this protection is unknown.
    return undefined;
  }
}
