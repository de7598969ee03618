import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createSimulatedEngine } from '#simulator';

/**
 * The simulated engine behind a minimal HTTP server, to measure the cost of a request without the
 * network. It runs as a process of its own, `direct-server.ts <token-ms>`, and prints its port.
 */
const engine = createSimulatedEngine({
  chip: 'm3-ultra',
  tokenMs: Number(process.argv[2] ?? 0),
  endless: true,
  maxConcurrency: 1_000,
});

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part);
  const { messages, max_tokens, stream } = JSON.parse(Buffer.concat(parts).toString());
  let text = '';
  if (stream) response.writeHead(200, { 'content-type': 'text/event-stream' });
  engine.generate(
    { build: 'sim-llama-8b-q4', chat: { messages, max_tokens }, maxTokens: max_tokens },
    {
      delta: ({ text: token }) => {
        text += token;
        if (stream)
          response.write(
            `data: ${JSON.stringify({ object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content: token }, finish_reason: null }] })}\n\n`,
          );
      },
      refuse: () => response.destroy(),
      end: (finish, usage) => {
        if (stream) {
          response.end(
            `data: ${JSON.stringify({ object: 'chat.completion.chunk', choices: [{ index: 0, delta: {}, finish_reason: finish }] })}\n\ndata: [DONE]\n\n`,
          );
          return;
        }
        const message = { role: 'assistant', content: text };
        const counts = {
          prompt_tokens: usage.promptTokens,
          completion_tokens: usage.completionTokens,
          total_tokens: usage.promptTokens + usage.completionTokens,
        };
        const body = JSON.stringify({
          id: 'x',
          object: 'chat.completion',
          created: 0,
          model: 'sim',
          choices: [{ index: 0, message, finish_reason: finish }],
          usage: counts,
        });
        response.writeHead(200, {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
        });
        response.end(body);
      },
    },
  );
}

const server = createServer((request, response) => void answer(request, response));
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  console.log(`direct server listens on ${typeof address === 'object' ? address?.port : ''}`);
});
