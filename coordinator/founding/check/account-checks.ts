import { decode } from '@nats-io/jwt';
import type { NatsConnection } from '@nats-io/nats-core';
import { messageOf } from '#bus-schemas/message-of.ts';
import type { OperatorHome } from '../operator-home.ts';
import { type CheckResult, failed, passed, warning } from './finding.ts';

const TIMEOUT_MS = 3_000;
/** A clock that is further off makes hubs and machines refuse new tokens, in milliseconds. */
const MOST_OFFSET_MS = 2_000;
/** nats-server stores this many accounts if its configuration sets no limit. */
const DEFAULT_ACCOUNTS = 1_000;

interface ServerReply {
  readonly server: { readonly name: string; readonly time: string };
}

/** Checks with the system account: what the hubs have stored, and their clocks. */
export async function checkAccounts(
  system: NatsConnection,
  { keys, jwts }: OperatorHome,
): Promise<CheckResult[]> {
  return [
    await checkCore(system, keys.core.getPublicKey(), jwts.core),
    await checkNumber(system),
    ...(await checkClocks(system)),
  ];
}

/**
 * The rights of the coordinator's own account are part of the configuration of the hubs. After an
 * upgrade the hubs may still have the rights of the previous version.
 */
async function checkCore(
  system: NatsConnection,
  account: string,
  wanted: string,
): Promise<CheckResult> {
  const check = 'exports of the coordinator';
  try {
    const stored = await system.request(`$SYS.REQ.ACCOUNT.${account}.CLAIMS.LOOKUP`, '', {
      timeout: TIMEOUT_MS,
    });
    return rightsOf(stored.string()) === rightsOf(wanted)
      ? passed(check, 'are those of this version')
      : failed(
          check,
          'differ from those of this version',
          'run "dinf network init" again, and reload the hubs with the configuration that it wrote beside the old one',
        );
  } catch (error) {
    return failed(check, `cannot be read: ${messageOf(error)}`, 'check the hubs first');
  }
}

const rightsOf = (jwt: string): string => {
  const { exports = [], limits } = decode<{ exports?: object[]; limits?: object }>(jwt).nats;
  return JSON.stringify({ exports, limits });
};

async function checkNumber(system: NatsConnection): Promise<CheckResult> {
  const check = 'accounts of machines';
  const reply = await system.request('$SYS.REQ.CLAIMS.LIST', '', { timeout: TIMEOUT_MS });
  const { data } = reply.json<{ data?: unknown[] }>();
  const count = data?.length ?? 0;
  return count < DEFAULT_ACCOUNTS
    ? passed(check, `${count} are stored`)
    : warning(
        check,
        `${count} are stored`,
        `see that "resolver" in the configuration of every hub has a limit above that; without one nats-server refuses more than ${DEFAULT_ACCOUNTS}`,
      );
}

async function checkClocks(system: NatsConnection): Promise<CheckResult[]> {
  const findings = new Map<string, CheckResult>();
  const askedAt = Date.now();
  // Every hub answers; the strategy ends the wait after the last answer instead of after the first.
  const replies = await system.requestMany('$SYS.REQ.SERVER.PING.STATSZ', '', {
    strategy: 'stall',
    maxWait: TIMEOUT_MS,
  });
  for await (const reply of replies) {
    const { name, time } = reply.json<ServerReply>().server;
    const offset = Math.round(Date.parse(time) - (askedAt + Date.now()) / 2);
    const check = `clock of ${name}`;
    findings.set(
      name,
      Math.abs(offset) <= MOST_OFFSET_MS
        ? passed(check, 'agrees with the clock of this machine')
        : failed(
            check,
            `is ${offset} ms ahead of the clock of this machine`,
            'let both machines follow a time server (systemd-timesyncd, chrony)',
          ),
    );
  }
  return [...findings.values()];
}
