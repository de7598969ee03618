import {
  fromHex,
  HASH_BYTES,
  Hex,
  hex,
  PrintedEvidence,
  ProviderId,
  printEvidence,
  services,
  TrustLevel,
} from '#bus-schemas';
import { type Static, Type } from '#bus-schemas/type.ts';
import { ApiError } from '#http-api/errors.ts';
import { type Api, asTime, LIST, listOf, optional, strict } from './api.ts';

/**
 * Public routes to check trust: which machines are trusted and why, which releases they may run,
 * and the log of all decisions.
 */

const Hash = Hex(HASH_BYTES);
const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const Proof = Type.Array(Hash, { description: 'The format is that of RFC 6962.' });
const MAX_PAGE = 20;

const AttestationQuery = Type.Object(
  { after: optional(ProviderId), limit: optional(Type.Integer({ minimum: 1, maximum: MAX_PAGE })) },
  strict,
);
const Machine = Type.Object({
  level: TrustLevel,
  fresh_until: Type.String(),
  evidence: PrintedEvidence,
});
type Machine = Static<typeof Machine>;

export function addTrustRoutes(api: Api): void {
  const { head, inclusion, consistency, entries, keys } = services.transparency;

  api.route({
    method: 'GET',
    url: '/v1/providers/attestation',
    group: 'Trust',
    access: 'public',
    summary: 'The evidence of the machines',
    description:
      "The evidence of all machines that are trusted now, by id: keys, code and posture, each signed with the machine's own key. It contains no owner and no serial number. docs/security/blind-mode.md describes how to verify it.",
    query: AttestationQuery,
    reply: Type.Object({
      ...listOf(Machine).properties,
      next: optional(Type.String({ description: 'The value of `after` for the next page.' })),
    }),
    handle: async ({ query: { after, limit = MAX_PAGE } }) => {
      const { machines } = await api.ask(services.trust.attestation, {
        limit,
        ...(after && { after }),
      });
      const data = machines.map(
        ({ level, freshUntil, evidence }): Machine => ({
          level,
          fresh_until: asTime(freshUntil),
          evidence: printEvidence(evidence),
        }),
      );
      const next = data.length === limit ? data.at(-1)?.evidence.provider : undefined;
      return { object: LIST, data, ...(next && { next }) };
    },
  });

  api.route({
    method: 'GET',
    url: '/v1/releases',
    group: 'Trust',
    access: 'public',
    summary: 'Releases that machines may run',
    reply: listOf(
      Type.Object({
        version: Type.String(),
        code_hash: Type.String(),
        active: Type.Boolean(),
        added_at: Type.String(),
        signature: Type.String(),
      }),
    ),
    handle: async () => {
      const { releases } = await api.ask(services.releases.list, {});
      const data = releases.map(({ version, codeHash, addedAt, withdrawnAt, signature }) => ({
        version,
        code_hash: hex(codeHash),
        active: withdrawnAt === undefined,
        added_at: asTime(addedAt),
        signature: hex(signature),
      }));
      return { object: LIST, data };
    },
  });

  api.route({
    method: 'GET',
    url: '/v1/transparency/head',
    group: 'Trust',
    access: 'public',
    summary: 'The signed head of the log',
    reply: Type.Object({
      size: Type.Integer(),
      root: Type.String(),
      at: Type.Integer({ description: 'Milliseconds since 1970.' }),
      key: Type.String({ description: 'Ed25519.' }),
      signature: Type.String(),
    }),
    handle: async () => {
      const { size, root, at, key, signature } = await api.ask(head, {});
      return { size, at, root: hex(root), key: hex(key), signature: hex(signature) };
    },
  });

  api.route({
    method: 'GET',
    url: '/v1/transparency/keys',
    group: 'Trust',
    access: 'public',
    summary: 'The keys that signed the log one after the other',
    description:
      'Each key signs the statement that names the next one, and each statement is an entry of the log. The list is empty if the log still has its first key.',
    reply: listOf(
      Type.Object({ previous: Type.String(), key: Type.String(), signature: Type.String() }),
    ),
    handle: async () => {
      const { successions } = await api.ask(keys, {});
      const data = successions.map(({ previous, key, signature }) => ({
        previous: hex(previous),
        key: hex(key),
        signature: hex(signature),
      }));
      return { object: LIST, data };
    },
  });

  api.route({
    method: 'GET',
    url: '/v1/transparency/inclusion',
    group: 'Trust',
    access: 'public',
    summary: 'Proof that an entry is in the log',
    query: Type.Object(
      {
        leaf: Hex(HASH_BYTES, { description: 'SHA-256 of a zero byte and the entry.' }),
        size: count,
      },
      strict,
    ),
    reply: Type.Object({ index: Type.Integer(), proof: Proof }),
    example: { path: `/v1/transparency/inclusion?leaf=${'00'.repeat(32)}&size=1` },
    handle: async ({ query: { leaf, size } }) => {
      const found = await api.ask(inclusion, { leaf: fromHex(leaf), size });
      if (!found.ok)
        throw new ApiError('not_found', 'The log of that size does not contain this entry.');
      return { index: found.index, proof: found.proof.map(hex) };
    },
  });

  api.route({
    method: 'GET',
    url: '/v1/transparency/consistency',
    group: 'Trust',
    access: 'public',
    summary: 'Proof that the log was only extended',
    query: Type.Object({ earlier: count, later: count }, strict),
    reply: Type.Object({ proof: Proof }),
    example: { path: '/v1/transparency/consistency?earlier=1&later=1' },
    handle: async ({ query }) => {
      const found = await api.ask(consistency, query);
      if (!found.ok) throw new ApiError('not_found', 'The log never had one of these sizes.');
      return { proof: found.proof.map(hex) };
    },
  });

  api.route({
    method: 'GET',
    url: '/v1/transparency/entries',
    group: 'Trust',
    access: 'public',
    summary: 'The entries of the log',
    query: Type.Object(
      { from: optional(count), limit: optional(Type.Integer({ minimum: 1, maximum: 1_000 })) },
      strict,
    ),
    reply: listOf(
      Type.Object({ index: Type.Integer(), entry: Type.String({ description: 'Lines of text.' }) }),
    ),
    handle: async ({ query: { from = 0, limit = 100 } }) => {
      const found = await api.ask(entries, { from, limit });
      return {
        object: LIST,
        data: found.entries.map(({ index, entry }) => ({
          index,
          entry: Buffer.from(entry).toString('utf8'),
        })),
      };
    },
  });
}
