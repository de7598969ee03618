import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';

/** Passes connections on to a model server, and counts those on which an answer is read. */
export interface Relay extends AsyncDisposable {
  readonly port: number;
  /** Connections with a request for an answer that their client has not closed. */
  readonly answers: number;
}

export async function startRelay(target: number): Promise<Relay> {
  let answers = 0;
  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1');
    // Either side may disappear at any time; then the other one is closed too.
    for (const socket of [client, upstream]) socket.on('error', () => undefined);
    client.once('data', (bytes) => {
      if (!bytes.toString('latin1').startsWith('POST ')) return;
      answers += 1;
      // The end of the client's side is its decision, whatever the server still sends.
      client.once('close', () => {
        answers -= 1;
      });
    });
    client.once('end', () => client.destroy());
    client.once('close', () => upstream.destroy());
    upstream.once('close', () => client.destroy());
    client.pipe(upstream);
    upstream.pipe(client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    get answers() {
      return answers;
    },
    [Symbol.asyncDispose]: async () => {
      server.close();
      await once(server, 'close');
    },
  };
}
