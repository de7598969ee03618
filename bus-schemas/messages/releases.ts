import { Hash } from '../bytes.ts';
import { Bytes } from '../codec.ts';
import { ED25519_SIGNATURE_BYTES } from '../receipts/signed-by.ts';
import { At, nothing, optional } from '../schema-parts.ts';
import { Type } from '../type.ts';
import { methodsOf, ok, refused } from './service-method.ts';

/** Requests about the code that machines may run. */

const Version = Type.String({ minLength: 1, maxLength: 32, pattern: '^[0-9A-Za-z.+-]+$' });
const ofCode = Type.Object({ codeHash: Hash });
const changed = Type.Union([ok({}), refused(['unknown', 'would_stop_fleet'])]);

const define = methodsOf('trust');
export const releases = {
  list: define(
    'releases',
    nothing,
    Type.Object({
      releases: Type.Array(
        Type.Object({
          version: Version,
          codeHash: Hash,
          addedAt: At,
          withdrawnAt: optional(At),
          signature: Bytes({ min: ED25519_SIGNATURE_BYTES, max: ED25519_SIGNATURE_BYTES }),
        }),
        { maxItems: 1_000 },
      ),
    }),
  ),
  add: define(
    'add-release',
    Type.Object({ version: Version, codeHash: Hash }),
    Type.Object({ added: Type.Boolean() }),
  ),
  /**
   * Withdraws a release: machines that run it get no more work at once. Without `force` it is
   * refused if most of the fleet runs this release.
   */
  withdraw: define(
    'withdraw-release',
    Type.Object({ codeHash: Hash, force: Type.Boolean() }),
    changed,
  ),
  restore: define('restore-release', ofCode, changed),
} as const;
