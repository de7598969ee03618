import type { Pool } from 'pg';
import { randomToken } from '#bus-schemas';
import { isDuplicate } from '#coordinator/sql.ts';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';

const ADD_ACCOUNT = namedStatement('people.add-account')`
  INSERT INTO accounts (id, name) VALUES (${'account'}, ${'name'})`;

const ACCOUNT_EXISTS = namedStatement('people.account-exists')`
  SELECT 1 AS one FROM accounts WHERE id = ${'account'}`;

const SIGN_IN = namedStatement<User>('people.user')`
  UPDATE users u SET email = coalesce(${'email'}, u.email) FROM accounts a
  WHERE u.issuer = ${'issuer'} AND u.subject = ${'subject'} AND a.id = u.account
  RETURNING u.id, u.account, a.suspended_at IS NOT NULL AS "isSuspended"`;

const ADD_USER = namedStatement<User>('people.add-user')`
  WITH account AS (
    INSERT INTO accounts (id, name)
    VALUES (${'account'}, coalesce(${'email'}, ${'subject'})) RETURNING id
  )
  INSERT INTO users (id, issuer, subject, email, account)
  SELECT ${'id'}, ${'issuer'}, ${'subject'}, ${'email'}, id FROM account
  RETURNING id, account`;

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
    await queryNamed(this.#database, ADD_ACCOUNT, { account, name });
    return { account };
  }

  async accountExists(account: string): Promise<boolean> {
    return (await queryNamed(this.#database, ACCOUNT_EXISTS, { account })).length > 0;
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
    const [user] = await queryNamed(this.#database, SIGN_IN, {
      issuer,
      subject,
      email: email ?? null,
    });
    return user;
  }

  async #add(person: {
    issuer: string;
    subject: string;
    email?: string | undefined;
  }): Promise<User> {
    const { issuer, subject, email } = person;
    try {
      const [user] = await queryNamed(this.#database, ADD_USER, {
        id: `user_${randomToken(ID_LENGTH)}`,
        issuer,
        subject,
        email: email ?? null,
        account: `acct_${randomToken(ID_LENGTH)}`,
      });
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
