import { join } from 'node:path';
import { Option } from 'commander';
import type { TrustLevel } from '#bus-schemas';
import { homeFolder } from '#bus-schemas/running-network.ts';
import type { SealedClient } from '#client';
import type { LogOptions } from './log-options.ts';

export interface SealedOptions extends LogOptions {
  readonly level: TrustLevel;
}

const SECRET_BYTES = 32;

export const levelOption = (): Option =>
  new Option('--level <level>', 'what a machine must have shown at least')
    .choices(['self_signed', 'hardware'])
    .default('self_signed');

/** A client that seals requests, and saves the heads of the log that it sees in the home. */
export async function openSealedClient(
  { coordinator, level, logKey }: SealedOptions,
  onUnsaved: (error: unknown) => void,
): Promise<SealedClient> {
  const [{ SealedClient }, { SavedLogHead }] = await Promise.all([
    import('#client'),
    import('#client/saved-log-head.ts'),
  ]);
  const savedHead = await SavedLogHead.of(coordinator);
  return new SealedClient({
    url: coordinator,
    minimumLevel: level,
    logKey,
    savedHead: await savedHead.read(),
    onHead: (head) => void savedHead.save(head).catch(onUnsaved),
  });
}

/** The secret of this home for digests of conversations (`askSealed`). */
export async function ownSecret(): Promise<Uint8Array> {
  const [{ readOrCreate }, { randomBytes }] = await Promise.all([
    import('#bus-schemas/saved-file.ts'),
    import('node:crypto'),
  ]);
  const text = await readOrCreate(join(homeFolder(process.env), 'proxy.secret'), async () =>
    randomBytes(SECRET_BYTES).toString('base64url'),
  );
  return Buffer.from(text, 'base64url');
}
