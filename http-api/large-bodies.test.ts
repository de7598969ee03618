import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import pino from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { createServer } from './server.ts';

const LIMIT = 1_000;
const TOO_LARGE = 4_000_000;

test('a client that sends its whole body before it reads gets the 413, and keeps its connection', async () => {
  const server = createServer({
    log: pino({ level: 'silent' }),
    trustedProxies: [],
    headersTimeoutMs: 60_000,
    requestTimeoutMs: 60_000,
  });
  server.post('/v1/large', { bodyLimit: LIMIT }, async () => ({}));
  await server.listen({ host: '127.0.0.1', port: 0 });
  onTestFinished(() => server.close());
  const socket = connect((server.server.address() as AddressInfo).port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  let received = '';
  socket.setEncoding('utf8').on('data', (text: string) => {
    received += text;
  });
  const until = async (text: string) => {
    while (!received.includes(text)) await once(socket, 'data');
  };
  const head = (bytes: number) =>
    `POST /v1/large HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${bytes}\r\n\r\n`;

  socket.write(head(TOO_LARGE));
  await until('HTTP/1.1 413');
  for (let sent = 0; sent < TOO_LARGE; sent += LIMIT) socket.write('x'.repeat(LIMIT));
  socket.write(`${head(2)}{}`);
  await until('HTTP/1.1 200');
  expect(received.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 413', 'HTTP/1.1 200']);
});
