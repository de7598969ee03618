import type { ClientBase, Pool } from 'pg';
import { leafHash, nodeHash, type Signer, signHead, type TreeHead } from '#bus-schemas';
import { transaction } from '#coordinator/sql.ts';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';
import {
  completedBy,
  consistencyProof,
  inclusionProof,
  type ReadNode,
  rootAt,
  withNodes,
} from '../core/tree-proofs.ts';

const LOCK_LOG = namedStatement('log.lock-log')`
  SELECT pg_advisory_xact_lock(6962)`;

const LOG_SIZE = namedStatement<{ size: number }>('log.log-size')`
  SELECT coalesce(max(index) + 1, 0)::float8 AS size FROM log_entries`;

const ADD_ENTRY = namedStatement('log.add-entry')`
  INSERT INTO log_entries (index, entry, hash) VALUES (${'index'}, ${'entry'}, ${'hash'})`;

const ADD_NODE = namedStatement('log.add-node')`
  INSERT INTO log_nodes (level, index, hash) VALUES (${'level'}, ${'index'}, ${'hash'})`;

const INDEX_OF = namedStatement<{ index: number }>('log.index-of')`
  SELECT index::float8 AS index FROM log_entries WHERE hash = ${'hash'} AND index < ${'size'}
  ORDER BY index DESC LIMIT 1`;

const ENTRIES = namedStatement<{ index: number; entry: Buffer }>('log.entries')`
  SELECT index::float8 AS index, entry FROM log_entries WHERE index >= ${'from'} ORDER BY index
  LIMIT ${'limit'}`;

const NODES = namedStatement<Coordinates & { hash: Buffer }>('log.nodes')`
  SELECT n.level, n.index::float8 AS index, n.hash FROM log_nodes n
  JOIN unnest(${'levels'}::int[], ${'indexes'}::bigint[]) AS wanted (level, index)
  USING (level, index)`;

/** Locks the log until the transaction ends. */
export const lockLog = async (client: ClientBase): Promise<void> =>
  void (await queryNamed(client, LOCK_LOG, {}));

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
    await lockLog(client);
    const index = await sizeOf(client);
    const hash = leafHash(entry);
    await queryNamed(client, ADD_ENTRY, { index, entry: Buffer.from(entry), hash });
    const completed = completedBy(index);
    const left = await nodesOf(
      client,
      completed.map((node) => ({ level: node.level - 1, index: 2 * node.index })),
    );
    await queryNamed(client, ADD_NODE, { level: 0, index, hash });
    let right = hash;
    for (const node of completed) {
      right = nodeHash(left(node.level - 1, 2 * node.index), right);
      await queryNamed(client, ADD_NODE, { level: node.level, index: node.index, hash: right });
    }
  }

  /** Appends an entry that repeats at every start, unless the log already has it. */
  async appendOnce(entry: Uint8Array): Promise<void> {
    await transaction(this.#database, async (client) => {
      await lockLog(client);
      const known = await queryNamed(client, INDEX_OF, {
        hash: leafHash(entry),
        size: await sizeOf(client),
      });
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
    const [found] = await queryNamed(this.#database, INDEX_OF, { hash: leaf, size });
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
    return queryNamed(this.#database, ENTRIES, { from, limit });
  }

  #read<T>(read: (node: ReadNode) => T): Promise<T> {
    return withNodes(read, (wanted) => nodesOf(this.#database, wanted));
  }
}

async function sizeOf(database: Pool | ClientBase): Promise<number> {
  const [row] = await queryNamed(database, LOG_SIZE, {});
  return row?.size ?? 0;
}

async function nodesOf(
  database: Pool | ClientBase,
  wanted: readonly Coordinates[],
): Promise<ReadNode> {
  const rows =
    wanted.length === 0
      ? []
      : await queryNamed(database, NODES, {
          levels: wanted.map(({ level }) => level),
          indexes: wanted.map(({ index }) => index),
        });
  const hashes = new Map(rows.map(({ level, index, hash }) => [`${level} ${index}`, hash]));
  return (level, index) => {
    const hash = hashes.get(`${level} ${index}`);
    if (hash === undefined)
      throw new Error(`the transparency log lacks node ${index} of level ${level}`);
    return hash;
  };
}
