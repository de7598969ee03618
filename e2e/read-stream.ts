import { createParser } from 'eventsource-parser';

export interface ReadStream {
  readonly status: number;
  readonly text: string;
  readonly done: number;
  readonly errors: unknown[];
  readonly chunks: number;
}

export interface ReadStreamOptions {
  readonly signal?: AbortSignal;
  /** Called when status and headers have arrived. */
  readonly onHeaders?: () => void;
  /** Called with the text so far after each piece of content. */
  readonly onContent?: (text: string) => void;
}

/** Sends a streamed chat request with plain HTTP and reads the response to its end. */
export async function readStream(
  { url, apiKey }: { url: string; apiKey: string },
  body: Record<string, unknown>,
  { signal, onHeaders, onContent }: ReadStreamOptions = {},
): Promise<ReadStream> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ ...body, stream: true }),
    ...(signal && { signal }),
  });
  onHeaders?.();
  let text = '';
  let done = 0;
  let chunks = 0;
  const errors: unknown[] = [];
  if (!response.ok || response.body === null) {
    errors.push(await response.json());
    return { status: response.status, text, done, errors, chunks };
  }
  const parser = createParser({
    onEvent: ({ data }) => {
      if (data === '[DONE]') {
        done += 1;
        return;
      }
      const event = JSON.parse(data);
      if (event.error !== undefined) errors.push(event.error);
      const content = event.choices?.[0]?.delta.content;
      if (!content) return;
      chunks += 1;
      text += content;
      onContent?.(text);
    },
  });
  const decoder = new TextDecoder('utf-8', { fatal: true });
  for await (const bytes of response.body) parser.feed(decoder.decode(bytes, { stream: true }));
  return { status: response.status, text, done, errors, chunks };
}
