import { execFileSync } from 'node:child_process';
import type { Posture } from '#bus-schemas';

type Protection = Posture['secureBoot'];

const UNKNOWN: Posture = { systemIntegrity: 'unknown', secureBoot: 'unknown', authenticatedRoot: 'unknown', debuggersDenied: 'unknown' };
const TIMEOUT_MS = 5_000;

/** What the system says of its own protections. Only a Mac does; nothing is made up for others. */
export function postureOf(debuggersDenied: boolean, platform: NodeJS.Platform = process.platform): Posture {
  const denied: Protection = debuggersDenied ? 'on' : 'unknown';
  if (platform !== 'darwin') return { ...UNKNOWN, debuggersDenied: denied };
  return {
    systemIntegrity: integrityIn(said('/usr/bin/csrutil', ['status'])),
    authenticatedRoot: authenticatedRootIn(said('/usr/bin/csrutil', ['authenticated-root', 'status'])),
    secureBoot: secureBootIn(said('/usr/sbin/system_profiler', ['SPiBridgeDataType'])),
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

function said(command: string, args: readonly string[]): string | undefined {
  try {
    return execFileSync(command, args, { encoding: 'utf8', timeout: TIMEOUT_MS, stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    // A system that cannot say it is one of which it is not known.
    return undefined;
  }
}
