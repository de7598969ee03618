import { join } from 'node:path';
import type { ClientBase, Pool } from 'pg';
import { leafHash, nodeHash, type Signer, signHead, type TreeHead } from '#bus-schemas';
import { loadStatements, query, transaction } from '#coordinator/sql.ts';
import {
  completedBy,
  consistencyProof,
  inclusionProof,
  type ReadNode,
  rootAt,
  withNodes,
} from '../core/tree-proofs.ts';

export const logStatements = loadStatements(join(import.meta.dirname, 'store'), [
  'add-entry',
  'add-node',
  'entries',
  'index-of',
  'lock-log',
  'log-model',
  'log-size',
  'logged-models',
  'nodes',
  'unlog-model',
]);
const sql = logStatements;

interface Coordinates {
  readonly level: number;
  readonly index: number;
}

/**
 * The public record of decisions about code, machines and keys. Entries never change, and a reader
 * who has stored a head can verify that.
 *
 * Invariant: an entry is in the log if and only if the transaction of its decision was committed.
 */
export class TransparencyLog {
  readonly #database: Pool;
  readonly #signer: Signer;
  readonly #now: () => number;

  constructor(options: { database: Pool; signer: Signer; now: () => number }) {
    this.#database = options.database;
    this.#signer = options.signer;
    this.#now = options.now;
  }

  /**
   * Appends the entry within the transaction of its decision. Other appends wait until that
   * transaction ends.
   */
  async append(client: ClientBase, entry: Uint8Array): Promise<void> {
    await query(client, sql['lock-log']);
    const index = await sizeOf(client);
    const hash = leafHash(entry);
    await query(client, sql['add-entry'], [index, Buffer.from(entry), hash]);
    const completed = completedBy(index);
    const left = await nodesOf(
      client,
      completed.map((node) => ({ level: node.level - 1, index: 2 * node.index })),
    );
    await query(client, sql['add-node'], [0, index, hash]);
    let right = hash;
    for (const node of completed) {
      right = nodeHash(left(node.level - 1, 2 * node.index), right);
      await query(client, sql['add-node'], [node.level, node.index, right]);
    }
  }

  /** Appends an entry that repeats at every start, unless the log already has it. */
  async appendOnce(entry: Uint8Array): Promise<void> {
    await transaction(this.#database, async (client) => {
      await query(client, sql['lock-log']);
      const known = await query(client, sql['index-of'], [leafHash(entry), await sizeOf(client)]);
      if (known.length === 0) await this.append(client, entry);
    });
  }

  size(): Promise<number> {
    return sizeOf(this.#database);
  }

  async head(): Promise<TreeHead> {
    const size = await sizeOf(this.#database);
    return signHead(this.#signer, {
      size,
      root: await this.#read((node) => rootAt(size, node)),
      at: this.#now(),
    });
  }

  /**
   * Returns the newest place of an entry in the tree of this size; undefined if it is not in it.
   */
  async inclusion(
    leaf: Uint8Array,
    size: number,
  ): Promise<{ index: number; proof: Uint8Array[] } | undefined> {
    const [found] = await query<{ index: number }>(this.#database, sql['index-of'], [leaf, size]);
    if (found === undefined || size > (await sizeOf(this.#database))) return undefined;
    return {
      index: found.index,
      proof: await this.#read((node) => inclusionProof(found.index, size, node)),
    };
  }

  async consistency(earlier: number, later: number): Promise<Uint8Array[] | undefined> {
    if (earlier > later || later > (await sizeOf(this.#database))) return undefined;
    return this.#read((node) => consistencyProof(earlier, later, node));
  }

  entries(from: number, limit: number): Promise<{ index: number; entry: Buffer }[]> {
    return query(this.#database, sql.entries, [from, limit]);
  }

  #read<T>(read: (node: ReadNode) => T): Promise<T> {
    return withNodes(read, (wanted) => nodesOf(this.#database, wanted));
  }
}

async function sizeOf(database: Pool | ClientBase): Promise<number> {
  const [row] = await query<{ size: number }>(database, sql['log-size']);
  return row?.size ?? 0;
}

async function nodesOf(
  database: Pool | ClientBase,
  wanted: readonly Coordinates[],
): Promise<ReadNode> {
  const rows =
    wanted.length === 0
      ? []
      : await query<Coordinates & { hash: Buffer }>(database, sql.nodes, [
          wanted.map(({ level }) => level),
          wanted.map(({ index }) => index),
        ]);
  const hashes = new Map(rows.map(({ level, index, hash }) => [`${level} ${index}`, hash]));
  return (level, index) => {
    const hash = hashes.get(`${level} ${index}`);
    if (hash === undefined)
      throw new Error(`the transparency log lacks node ${index} of level ${level}`);
    return hash;
  };
}
