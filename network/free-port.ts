import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';

/**
 * Returns a port that is free now. Another program may take it before the caller listens, so the
 * caller must be ready to retry with another port.
 */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
