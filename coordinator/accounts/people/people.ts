import { join } from 'node:path';
import type { Pool } from 'pg';
import { randomToken } from '#bus-schemas';
import { isDuplicate, loadStatements, query } from '#coordinator/sql.ts';

const sql = loadStatements(join(import.meta.dirname, 'store'), [
  'account-exists',
  'add-account',
  'add-user',
  'user',
]);
const ID_LENGTH = 16;

interface User {
  readonly id: string;
  readonly account: string;
  /** Absent for a user who was added just now. */
  readonly isSuspended?: boolean;
}

/** Accounts, and the people who own them. */
export class People {
  readonly #database: Pool;

  constructor(database: Pool) {
    this.#database = database;
  }

  async createAccount(name: string): Promise<{ account: string }> {
    const account = `acct_${randomToken(ID_LENGTH)}`;
    await query(this.#database, sql['add-account'], [account, name]);
    return { account };
  }

  async accountExists(account: string): Promise<boolean> {
    return (await query(this.#database, sql['account-exists'], [account])).length > 0;
  }

  /** Returns the user and account of a signed-in person; the first sign-in creates both. */
  async signIn(person: {
    issuer: string;
    subject: string;
    email?: string | undefined;
  }): Promise<{ user: string; account: string; isSuspended?: boolean }> {
    const { id, account, isSuspended } = (await this.#known(person)) ?? (await this.#add(person));
    return { user: id, account, ...(isSuspended && { isSuspended }) };
  }

  async #known({
    issuer,
    subject,
    email,
  }: {
    issuer: string;
    subject: string;
    email?: string | undefined;
  }): Promise<User | undefined> {
    const [user] = await query<User>(this.#database, sql.user, [issuer, subject, email ?? null]);
    return user;
  }

  async #add(person: {
    issuer: string;
    subject: string;
    email?: string | undefined;
  }): Promise<User> {
    const { issuer, subject, email } = person;
    try {
      const values = [
        `user_${randomToken(ID_LENGTH)}`,
        issuer,
        subject,
        email ?? null,
        `acct_${randomToken(ID_LENGTH)}`,
      ];
      const [user] = await query<User>(this.#database, sql['add-user'], values);
      if (user !== undefined) return user;
    } catch (error) {
      if (!isDuplicate(error)) throw error;
    }
    // Another request of the same person has added the user in the meantime.
    const user = await this.#known(person);
    if (user === undefined) throw new Error('a user can be neither added nor found');
    return user;
  }
}
