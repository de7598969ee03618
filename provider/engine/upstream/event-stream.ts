import { UpstreamError } from './upstream-error.ts';

/**
 * Maximum length of one event, in characters. A server sends a token or a tool call in each, so a
 * longer one is an error of the server, and would fill the memory of this process.
 */
const MAX_EVENT = 1024 * 1024;

/**
 * Reads the data of server-sent events. Comments and other fields are skipped. The stream is read
 * only as fast as the events are taken, so a slow reader stops the server.
 */
export async function* eventsIn(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  let data: string[] = [];
  for await (const bytes of body) {
    const lines = `${rest}${decoder.decode(bytes, { stream: true })}`.split(/\r?\n/);
    rest = lines.pop() ?? '';
    for (const line of lines) {
      data.push(...dataIn(line));
      if (line !== '' || data.length === 0) continue;
      yield data.join('\n');
      data = [];
    }
    if (rest.length + data.reduce((sum, { length }) => sum + length, 0) > MAX_EVENT)
      throw new UpstreamError('malformed', 'the server sent an event of more than 1 MiB');
  }
  data.push(...dataIn(rest));
  if (data.length > 0) yield data.join('\n');
}

const dataIn = (line: string): string[] =>
  line.startsWith('data:') ? [line.slice(5).replace(/^ /, '')] : [];
