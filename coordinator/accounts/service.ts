import { type AccountRecord, type AccountRecordReply, services } from '#bus-schemas';
import { endpoint } from '#coordinator/bus.ts';
import type { Component } from '#coordinator/component.ts';
import type { Context } from '#coordinator/context.ts';
import { BatchRuns } from './batches/batch-runs.ts';
import { Batches } from './batches/batches.ts';
import { Claims } from './claims/claims.ts';
import { Invites } from './invites/invites.ts';
import { Keys } from './keys/keys.ts';
import { Limits } from './limits/limits.ts';
import { Links } from './links/links.ts';
import { Operators } from './operators/operators.ts';
import { AccountRecords } from './people/account-records.ts';
import { People } from './people/people.ts';
import { ConsoleSessions } from './sessions/console-sessions.ts';
import { signInWithCode } from './sessions/sign-in.ts';
import { SignInCodes } from './sessions/sign-in-codes.ts';
import { StoredObjects } from './stored/stored-objects.ts';

const DELETE_EVERY_MS = 60_000;

const unknown = { ok: false as const, code: 'unknown' as const };
const recordReply = (record: AccountRecord | undefined): AccountRecordReply =>
  record === undefined ? unknown : { ok: true, record };
const resultOf = <Code extends string>(isOk: boolean, code: Code) =>
  isOk ? { ok: true as const } : { ok: false as const, code };

/**
 * Serves the questions about callers over the bus: people and accounts, their sessions in the
 * console, API keys and their limits, idempotency keys, stored responses, files and batches, devices
 * that ask to join, invites, operators and the audit log.
 */
export async function startAccounts({ bus, database, log, now }: Context): Promise<Component> {
  const people = new People(database);
  const accountRecords = new AccountRecords({ bus, database, now });
  const sessions = new ConsoleSessions({ bus, database, now });
  const codes = new SignInCodes(database, now);
  const keys = new Keys({ bus, database, now });
  const limits = new Limits(database);
  const claims = new Claims(database);
  const stored = new StoredObjects({ bus, database, now });
  const batches = new Batches({ bus, database, now });
  const batchRuns = new BatchRuns({ database, now });
  const links = new Links(database);
  const invites = new Invites(database);
  const operators = new Operators(database, now);
  const record = async (key: string, account: string | undefined) => {
    const found = await keys.find(key, account);
    return found === undefined ? unknown : { ok: true as const, record: found };
  };

  const service = await bus.serve('accounts', [
    endpoint(services.accounts.signIn, (person) => people.signIn(person)),
    endpoint(services.accounts.createAccount, ({ name }) => people.createAccount(name)),
    endpoint(services.accounts.findAccounts, async (asked) => ({
      accounts: await accountRecords.find(asked),
    })),
    endpoint(services.accounts.accountRecord, async ({ account }) =>
      recordReply(await accountRecords.one(account)),
    ),
    endpoint(services.accounts.suspendAccount, async ({ account, reason }) =>
      recordReply(await accountRecords.suspend(account, reason)),
    ),
    endpoint(services.accounts.resumeAccount, async ({ account }) =>
      recordReply(await accountRecords.resume(account)),
    ),
    endpoint(services.accounts.setAccountLimits, async ({ account, limits: wanted }) =>
      recordReply(await accountRecords.setLimits(account, wanted)),
    ),
    endpoint(services.accounts.suspendedAccounts, async ({ after = '', limit }) => ({
      accounts: await accountRecords.suspended(after, limit),
    })),
    endpoint(services.accounts.createSignInCode, async (code) =>
      resultOf(await codes.create(code), 'unknown_account'),
    ),
    endpoint(services.accounts.redeemSignInCode, (redeemer) =>
      signInWithCode({ codes, sessions }, redeemer),
    ),
    endpoint(services.accounts.startSession, ({ user, ...session }) =>
      sessions.start({
        ...session,
        user: user ?? null,
        by: user === undefined ? 'code' : 'issuer',
      }),
    ),
    endpoint(services.accounts.authenticateSession, ({ sessionHash }) =>
      sessions.authenticate(sessionHash),
    ),
    endpoint(services.accounts.endSessions, async ({ account, session }) => ({
      ended: await sessions.end(account, session),
    })),
    endpoint(services.accounts.listSessions, async ({ account }) => ({
      sessions: await sessions.list(account),
    })),
    endpoint(services.accounts.authenticate, ({ keyHash }) => keys.authenticate(keyHash)),
    endpoint(services.accounts.createKey, async (request) => {
      const made = await keys.create(request);
      if (made !== undefined) return made;
      return {
        ok: false as const,
        code: (await people.accountExists(request.account))
          ? ('duplicate' as const)
          : ('unknown_account' as const),
      };
    }),
    endpoint(services.accounts.findKey, ({ key, account }) => record(key, account)),
    endpoint(services.accounts.updateKey, async ({ key, account, ...settings }) =>
      (await keys.update(key, account, settings)) ? record(key, account) : unknown,
    ),
    endpoint(services.accounts.rotateKey, async ({ key, account, ...secret }) =>
      (await keys.rotate(key, account, secret)) ? record(key, account) : unknown,
    ),
    endpoint(services.accounts.revokeKey, async ({ key, account }) => ({
      revoked: await keys.revoke(key, account),
    })),
    endpoint(services.accounts.listKeys, async ({ account }) => ({
      keys: await keys.list({ account }),
    })),
    endpoint(services.accounts.take, async ({ takes }) => ({ results: await limits.take(takes) })),
    endpoint(services.accounts.claim, (request) => claims.claim(request)),
    endpoint(services.accounts.endClaim, async (request) => {
      await claims.end(request);
      return {};
    }),
    endpoint(services.accounts.putStored, (object) => stored.put(object)),
    endpoint(services.accounts.readStored, (object) => stored.read(object)),
    endpoint(services.accounts.listStored, (asked) => stored.list(asked)),
    endpoint(services.accounts.renewStored, async (object) => ({
      isRunning: await stored.renew(object),
    })),
    endpoint(services.accounts.cancelStored, async (object) => ({
      isCancelled: await stored.cancel(object),
    })),
    endpoint(services.accounts.deleteStored, async (object) => ({
      isDeleted: await stored.delete(object),
    })),
    endpoint(services.accounts.createBatch, (batch) => batches.create(batch)),
    endpoint(services.accounts.readBatch, (named) => batches.read(named)),
    endpoint(services.accounts.listBatches, (asked) => batches.list(asked)),
    endpoint(services.accounts.cancelBatch, (named) => batches.cancel(named)),
    endpoint(services.accounts.deleteBatch, async (named) => ({
      isDeleted: await batches.delete(named),
    })),
    endpoint(services.accounts.grantBatch, async (granted) => {
      await batches.grant(granted);
      return {};
    }),
    endpoint(services.accounts.claimBatch, (request) => batchRuns.claim(request)),
    endpoint(services.accounts.renewBatch, (request) => batchRuns.renew(request)),
    endpoint(services.accounts.releaseBatch, async (released) => {
      await batchRuns.release(released);
      return {};
    }),
    endpoint(services.accounts.putBatchLine, (put) => batchRuns.putLine(put)),
    endpoint(services.accounts.readBatchLines, (asked) => batchRuns.readLines(asked)),
    endpoint(services.accounts.endBatch, (ended) => batchRuns.end(ended)),
    endpoint(services.accounts.startLink, async (request) => {
      await links.start(request);
      return {};
    }),
    endpoint(services.accounts.pollLink, ({ deviceHash }) => links.poll(deviceHash)),
    endpoint(services.accounts.findLink, ({ userCode }) => links.find(userCode)),
    endpoint(services.accounts.decideLink, (decision) => links.decide(decision)),
    endpoint(services.accounts.createInvite, async (invite) =>
      resultOf(await invites.create(invite), 'taken'),
    ),
    endpoint(services.accounts.redeemInvite, ({ code, account }) => invites.redeem(code, account)),
    endpoint(services.accounts.setReferralCode, async ({ account, code }) =>
      resultOf(await invites.setReferralCode(account, code), 'taken'),
    ),
    endpoint(services.accounts.applyReferral, ({ account, code }) =>
      invites.applyReferral(account, code),
    ),
    endpoint(services.accounts.referral, ({ account }) => invites.referral(account)),
    endpoint(services.accounts.createOperator, async ({ name, keyHash }) =>
      resultOf(await operators.create(name, keyHash), 'taken'),
    ),
    endpoint(services.accounts.revokeOperator, async ({ name }) =>
      resultOf(await operators.revoke(name), 'unknown'),
    ),
    endpoint(services.accounts.listOperators, async () => ({ operators: await operators.list() })),
    endpoint(services.accounts.authenticateOperator, async ({ keyHash }) => {
      const operator = await operators.byHash(keyHash);
      return operator === undefined ? unknown : { ok: true as const, operator };
    }),
    endpoint(services.accounts.audit, async (row) => {
      await operators.audit(row);
      return {};
    }),
    endpoint(services.accounts.listAudit, async (asked) => ({
      rows: await operators.changes(asked),
    })),
  ]);
  const writeLastUses = () =>
    keys
      .writeLastUses()
      .catch((error: unknown) =>
        log.warn({ err: error }, 'accounts: the last uses of keys could not be written'),
      );
  const timer = setInterval(() => {
    void writeLastUses();
    Promise.all([
      limits.deleteOld(),
      claims.deleteOld(),
      links.deleteOld(),
      stored.deleteOld(),
      sessions.deleteOld(),
      codes.deleteOld(),
      batches.deleteOld(),
    ]).catch((error: unknown) =>
      log.warn({ err: error }, 'accounts: expired rows could not be deleted'),
    );
  }, DELETE_EVERY_MS);
  const running = new AsyncDisposableStack();
  running.defer(writeLastUses);
  running.use(service);
  running.defer(() => clearInterval(timer));
  return { name: 'accounts', [Symbol.asyncDispose]: () => running.disposeAsync() };
}
