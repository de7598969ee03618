import { readdirSync, readlinkSync } from 'node:fs';

/** The sockets that a process of Linux has open, by the number that /proc/net names. */
export function socketsOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((descriptor) => {
    try {
      const target = readlinkSync(`/proc/${pid}/fd/${descriptor}`);
      return /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? [];
    } catch {
      // It was closed after it was listed.
      return [];
    }
  });
}
