import { Type } from 'typebox';
import { Hash } from '../bytes.ts';
import { Bytes } from '../codec.ts';
import { ED25519_SIGNATURE_BYTES } from '../receipts/signatures.ts';
import { At, nothing, optional } from '../schema-parts.ts';
import { methodsOf, ok, refused } from './service-method.ts';

/** Which code machines may run. */

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
  /** Whoever runs it is out at once. Refused, without `force`, where that is most of the fleet. */
  withdraw: define(
    'withdraw-release',
    Type.Object({ codeHash: Hash, force: Type.Boolean() }),
    changed,
  ),
  restore: define('restore-release', ofCode, changed),
} as const;
