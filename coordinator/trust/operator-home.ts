import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  mintCredentials,
  mintOperator,
  Nkey,
  type OperatorJwts,
  type OperatorKeys,
} from '#bus-schemas';
import { readOrCreate } from '#bus-schemas/saved-file.ts';

/**
 * The keys of the operator, and the secret from which the account key of each provider is derived.
 */
export interface OperatorHome {
  readonly keys: OperatorKeys;
  readonly jwts: OperatorJwts;
  readonly masterSecret: Uint8Array;
}

const MASTER_BYTES = 32;

/**
 * Creates the missing files, so that it can run at every start, also after a crash in the middle.
 * Files have mode 0600 in a folder of mode 0700.
 */
export async function prepareOperatorHome({ home }: { home: string }): Promise<OperatorHome> {
  const folder = join(home, 'keys');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const key = async (name: string, kind: 'operator' | 'account') =>
    Nkey.fromSeed(
      await readOrCreate(join(folder, `${name}.nk`), async () => Nkey.create(kind).seed),
    );
  const keys: OperatorKeys = {
    operator: await key('operator', 'operator'),
    system: await key('system', 'account'),
    core: await key('core', 'account'),
    ops: await key('ops', 'account'),
  };
  await readOrCreate(join(folder, 'core.creds'), () => mintCredentials('core', keys.core, 'all'));
  await readOrCreate(join(folder, 'sys.creds'), () =>
    mintCredentials('system', keys.system, 'all'),
  );
  await readOrCreate(join(folder, 'ops.creds'), () =>
    mintCredentials('ops', keys.ops, 'read-only'),
  );
  const master = await readOrCreate(join(folder, 'provider-accounts.secret'), async () =>
    randomBytes(MASTER_BYTES).toString('base64url'),
  );
  return { keys, jwts: await mintOperator(keys), masterSecret: Buffer.from(master, 'base64url') };
}
