import { readFileSync } from 'node:fs';
import { socketsOf } from '../../sockets-of-process.ts';

/** Node options with which a process and its children can be asked for their heaps. */
export const INSPECTED = '--inspect=127.0.0.1:0';

const LISTENING = '0A';
const ANSWER_MS = 2_000;
const MiB = 1024 * 1024;

/**
 * Has a Node process collect its garbage, and returns the size of what is left on its heap, in MiB.
 * Its resident memory would say little: the heap grows for minutes until V8 collects the garbage.
 * Undefined if the process has no inspector.
 */
export async function liveHeapMiB(pid: number): Promise<number | undefined> {
  const url = await inspectorOf(pid);
  if (url === undefined) return undefined;
  const socket = new WebSocket(url);
  const answers = new Map<number, (result: unknown) => void>();
  socket.addEventListener('message', ({ data }) => {
    const { id, result } = JSON.parse(String(data)) as { id: number; result: unknown };
    answers.get(id)?.(result);
  });
  const closed = new Promise<never>((_, reject) => {
    socket.addEventListener('error', () => reject(new Error(`no inspector of process ${pid}`)));
    socket.addEventListener('close', () => reject(new Error(`process ${pid} ended`)));
  });
  const call = (id: number, method: string): Promise<unknown> =>
    Promise.race([
      closed,
      new Promise((resolve) => {
        answers.set(id, resolve);
        socket.send(JSON.stringify({ id, method }));
      }),
    ]);
  try {
    await Promise.race([closed, new Promise((open) => socket.addEventListener('open', open))]);
    await call(1, 'HeapProfiler.collectGarbage');
    const { usedSize } = (await call(2, 'Runtime.getHeapUsage')) as { usedSize: number };
    return usedSize / MiB;
  } finally {
    closed.catch(() => undefined);
    socket.close();
  }
}

/** The address of the inspector: the port of the process that answers as one. */
async function inspectorOf(pid: number): Promise<string | undefined> {
  for (const port of listeningPorts(pid)) {
    const response = await fetch(`http://127.0.0.1:${port}/json/list`, {
      signal: AbortSignal.timeout(ANSWER_MS),
    }).catch(() => undefined);
    if (response?.ok !== true) continue;
    const targets: unknown = await response.json().catch(() => undefined);
    if (!Array.isArray(targets)) continue;
    const [{ webSocketDebuggerUrl = undefined } = {}] = targets as {
      webSocketDebuggerUrl?: string;
    }[];
    if (webSocketDebuggerUrl !== undefined) return webSocketDebuggerUrl;
  }
  return undefined;
}

function listeningPorts(pid: number): number[] {
  const sockets = new Set(socketsOf(pid));
  return readFileSync(`/proc/${pid}/net/tcp`, 'utf8')
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/);
      const port = Number.parseInt(local.split(':')[1] ?? '', 16);
      return state === LISTENING && sockets.has(inode) ? [port] : [];
    });
}
