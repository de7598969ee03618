import { createServer } from 'node:net';
import { join } from 'node:path';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import { readIfThere, replace } from '#bus-schemas/saved-file.ts';
import { isSet, setting } from '#bus-schemas/settings/settings.ts';
import { DEFAULT_HUB_PORTS } from '#coordinator/founding/hub-ports.ts';

const { client, leaf } = DEFAULT_HUB_PORTS;
const DEFAULT_PORTS = { client, leaf, issuer: 8090 };

/**
 * Returns the port of the API: DINF_HTTP_PORT, or 8080, or 0 for any free port if 8080 is in use.
 * The port of DINF_HTTP_PORT being in use is an error.
 */
export async function apiPort(say: (line: string) => void): Promise<number> {
  const wanted = setting('DINF_HTTP_PORT');
  if (await isFree(wanted)) return wanted;
  if (isSet('DINF_HTTP_PORT'))
    throw new CommandError(EXIT.usage, `Port ${wanted} (DINF_HTTP_PORT) is in use.`);
  say(`port ${wanted} is in use; the API uses another one (set DINF_HTTP_PORT to choose it)`);
  return 0;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((answer) => {
    const server = createServer();
    server.once('error', () => answer(false));
    server.listen(port, '127.0.0.1', () => server.close(() => answer(true)));
  });
}

/**
 * Returns the ports of hub and sign-in service that an earlier start in this home has saved. They
 * must not change: providers have saved the address of the hub, and accounts belong to the URL of
 * the issuer.
 */
export async function savedPorts(home: string): Promise<typeof DEFAULT_PORTS> {
  const saved = await readIfThere(join(home, 'ports.json'));
  if (saved !== undefined) return { issuer: 0, ...JSON.parse(saved) };
  const free = await Promise.all(Object.values(DEFAULT_PORTS).map(isFree));
  return free.every(Boolean) ? DEFAULT_PORTS : { client: -1, leaf: -1, issuer: 0 };
}

export const savePorts = (home: string, ports: object) =>
  replace(join(home, 'ports.json'), JSON.stringify(ports));
