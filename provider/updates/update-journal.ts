import { join } from 'node:path';
import { checkerOf } from '#bus-schemas/platform.ts';
import { readIfThere, replace } from '#bus-schemas/saved-file.ts';
import { type Static, Type } from '#bus-schemas/type.ts';

/**
 * The last update of the machine in a home. `switching` and `taking_back`: the link or the service
 * may be either version's, and whoever reads this completes the step. `updated` and `taken_back` are
 * final.
 */
const UpdateRecord = Type.Object({
  status: Type.Enum(['switching', 'taking_back', 'updated', 'taken_back']),
  /** Folder names of the two versions. */
  from: Type.String(),
  to: Type.String(),
  version: Type.String(),
  /** Digest of the package: one that was taken back is not tried again by itself. */
  sha256: Type.String(),
  /** Phase of the service before the update; absent if none ran, and none must run afterwards. */
  phase: Type.Optional(Type.String()),
  /** Time of the last change, in milliseconds since 1970. */
  at: Type.Integer(),
  reason: Type.Optional(Type.String()),
});
export type UpdateRecord = Static<typeof UpdateRecord>;

/** Whether the update was interrupted. */
export const isUnfinished = ({ status }: UpdateRecord): boolean =>
  status === 'switching' || status === 'taking_back';

const pathIn = (home: string): string => join(home, 'update.json');

/** A record that cannot be read counts as none: it must not stop the machine. */
export async function readUpdate(home: string): Promise<UpdateRecord | undefined> {
  const text = await readIfThere(pathIn(home));
  try {
    const record: unknown = text && JSON.parse(text);
    return checkerOf(UpdateRecord).Check(record) ? record : undefined;
  } catch {
    return undefined;
  }
}

export const writeUpdate = (home: string, record: UpdateRecord): Promise<void> =>
  replace(pathIn(home), `${JSON.stringify(record, null, 2)}\n`);
