import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import { logPath } from '#provider/service/log-file.ts';

interface LogOptions {
  readonly home: string;
  readonly lines: number;
  readonly follow?: boolean;
}

const LOOK_MS = 500;
/** Fields of a log line that are not printed after its message. */
const HEAD_FIELDS = new Set(['level', 'time', 'msg', 'name', 'pid', 'hostname']);
const LEVELS: Readonly<Record<number, string>> = { 30: 'info', 40: 'warn', 50: 'error' };

/** Prints the last lines of the log, and with `follow` each new one. */
export async function showLogs({ home, lines, follow }: LogOptions): Promise<void> {
  const path = logPath(home);
  const file = await open(path).catch((cause: unknown) => {
    throw new CommandError(EXIT.unavailable, `There is no log at ${path} yet.`, { cause });
  });
  await file.close();
  const last: string[] = [];
  let read = await readLines(path, 0, (line) => {
    last.push(line);
    if (last.length > lines) last.shift();
  });
  for (const line of last) console.log(readable(line));
  while (follow) {
    await delay(LOOK_MS);
    read = await readLines(path, read, (line) => console.log(readable(line)));
  }
}

/** Reads the lines from the byte `from` on, and returns where the next read continues. */
async function readLines(
  path: string,
  from: number,
  onLine: (line: string) => void,
): Promise<number> {
  const file = await open(path);
  const { size } = await file.stat();
  await file.close();
  // The file was rotated: the new one is read from its beginning.
  const start = size < from ? 0 : from;
  if (size === start) return size;
  const input = createReadStream(path, { start, end: size - 1 });
  for await (const line of createInterface({ input })) onLine(line);
  return size;
}

/** A JSON line of the log as text: time, level, message, then the other fields. */
export function readable(line: string): string {
  let entry: Record<string, unknown>;
  try {
    entry = JSON.parse(line);
  } catch {
    return line;
  }
  if (typeof entry['msg'] !== 'string' || typeof entry['time'] !== 'number') return line;
  const time = new Date(entry['time']).toISOString().slice(0, 19).replace('T', ' ');
  const rest = Object.entries(entry)
    .filter(([name]) => !HEAD_FIELDS.has(name))
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  const level = LEVELS[Number(entry['level'])] ?? String(entry['level']);
  return [time, level.padEnd(5), entry['msg'], ...rest].join(' ');
}
