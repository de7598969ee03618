import { createHash, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { loadStatements, query, transaction } from '#coordinator/sql.ts';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';
import { type CounterOf, counter } from '#observability';
import type { AppleAttestation } from '../apple-attestation/apple-chain.ts';
import type { Attestor } from '../attestation/attestor.ts';
import { decodeEvidence } from '../attestation/verdict-store.ts';
import { attestationIn, readAcknowledgement } from './acknowledgement.ts';
import type { MicroMdm } from './micro-mdm.ts';
import { retryTimes } from './retry-times.ts';

/**
 * Gets Apple's statement about a machine: MDM asks the device for an attestation of the machine's
 * signing key, and the answer is stored.
 *
 * Invariants: an answer counts once, for the open question, from the device that was asked. Only a
 * chain is stored that verifies for the requested key and serial number. Any number of copies share
 * the work: all state is in the database.
 */

const sql = loadStatements(join(import.meta.dirname, 'store'), [
  'assign-device',
  'claim-due',
  'expect-device',
]);

const OPEN_QUESTION = namedStatement('device-management.open-question')`
  UPDATE device_attestations
  SET signing_key = ${'signingKey'}, command = ${'command'}, udid = ${'udid'}, asked_at = ${'now'}
  WHERE provider = ${'provider'} AND serial = ${'serial'} RETURNING provider`;

const CLOSE_QUESTION = namedStatement<{ provider: string; serial: string; signingKey: Buffer }>(
  'device-management.close-question',
)`
  UPDATE device_attestations SET command = NULL WHERE command = ${'command'} AND udid = ${'udid'}
  RETURNING provider, serial, signing_key AS "signingKey"`;

const KEEP_CHAIN = namedStatement('device-management.keep-chain')`
  UPDATE device_attestations SET chain = ${'chain'}, at = ${'now'}, attempts = 0
  WHERE provider = ${'provider'} AND serial = ${'serial'} AND signing_key = ${'signingKey'}
  RETURNING provider`;

export interface DeviceAttestationsOptions {
  readonly database: Pool;
  /** Absent if no MDM is configured. */
  readonly mdm: Pick<MicroMdm, 'udidOf' | 'ask' | 'push'> | undefined;
  readonly verify: (chain: readonly Uint8Array[], signingKey: Uint8Array) => AppleAttestation;
  readonly attestor: Pick<Attestor, 'vouched' | 'refuted'>;
  readonly log: Logger;
  readonly metrics: Registry;
  readonly now: () => number;
  readonly random: () => number;
}

/** The outcome of an event. After every outcome but `kept` the question is asked again later. */
export type AnswerOutcome =
  | 'kept'
  | 'no_answer'
  | 'not_asked'
  | 'failed'
  | 'no_attestation'
  | 'bad_chain'
  | 'stale'
  | 'other_device'
  | 'posture_off'
  | 'malformed';

const WAKE_MS = 2_000;
const MAX_ASKING = 12;
/**
 * Until this age, in milliseconds, a question is assumed to be in MDM's queue, and the device is
 * only woken up. Later the question may have been lost, and is asked again.
 */
const OPEN_MS = 24 * 3_600_000;

interface Due {
  readonly provider: string;
  readonly serial: string;
  readonly signingKey: Buffer | null;
  readonly command: string | null;
  readonly udid: string | null;
  readonly askedAt: number | null;
  readonly chain: readonly Buffer[] | null;
  readonly evidence: Buffer | null;
}

interface OpenQuestion {
  readonly provider: string;
  readonly serial: string;
  readonly signingKey: Buffer;
}

export class DeviceAttestations implements AsyncDisposable {
  readonly #options: DeviceAttestationsOptions;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #asking = new Set<Promise<void>>();
  readonly #outcomes: CounterOf<'dinf_trust_mdm_total'>;
  #waking: Promise<void> | undefined;

  constructor(options: DeviceAttestationsOptions) {
    this.#options = options;
    const { metrics: registry, mdm } = options;
    this.#outcomes = counter(registry, 'dinf_trust_mdm_total');
    this.#timer = mdm && setInterval(() => void this.wake(), WAKE_MS);
  }

  /** The operator assigns a device to a provider. Returns false if there is no such provider. */
  async assign(provider: string, serial: string): Promise<boolean> {
    const { database, now, mdm } = this.#options;
    const assigned = await transaction(database, async (client) => {
      const [row] = await query(client, sql['assign-device'], [provider, serial]);
      if (row !== undefined) await query(client, sql['expect-device'], [provider, serial, now()]);
      return row !== undefined;
    });
    if (assigned && mdm !== undefined) void this.wake();
    return assigned;
  }

  /** Asks the questions that are due. Resolves when MDM has received those of this turn. */
  wake(): Promise<void> {
    this.#waking ??= this.#wake().finally(() => {
      this.#waking = undefined;
    });
    return this.#waking;
  }

  /** Processes an event that MDM reports about a device. */
  async receive(body: Uint8Array): Promise<AnswerOutcome> {
    const outcome = await this.#process(body);
    this.#outcomes.inc({ outcome });
    return outcome;
  }

  async #wake(): Promise<void> {
    const { log } = this.#options;
    try {
      while (this.#asking.size < MAX_ASKING) {
        const due = await this.#claim();
        if (due === undefined) break;
        const asking = this.#ask(due).catch((error: unknown) => {
          this.#outcomes.inc({ outcome: 'not_reached' });
          log.warn(
            { provider: due.provider, err: error },
            'the attestation of a device could not be requested through MDM; trust tries again later',
          );
        });
        this.#asking.add(asking);
        void asking.finally(() => this.#asking.delete(asking));
      }
      await Promise.all(this.#asking);
    } catch (error) {
      log.warn(
        { err: error },
        'attestations of devices could not be requested through MDM; trust tries again later',
      );
    }
  }

  /**
   * Claims one machine and schedules its next question at once, at growing intervals: the process
   * that asks may crash, and MDM may never answer.
   */
  async #claim(): Promise<Due | undefined> {
    const { database, now, random } = this.#options;
    const [due] = await query<Due & { provider: string }>(database, sql['claim-due'], [
      now(),
      retryTimes(random),
    ]);
    return due;
  }

  async #ask(due: Due): Promise<void> {
    const { mdm, verify, attestor, now } = this.#options;
    const evidence = decodeEvidence(due.evidence);
    if (
      mdm === undefined ||
      evidence === undefined ||
      evidence.keyStore !== 'secure_enclave' ||
      evidence.simulated
    )
      return;
    const { provider, serial, chain } = due;
    const { signingKey } = evidence;
    const isSameKey = due.signingKey?.equals(signingKey) === true;
    // Apple's statement is already stored, and only the challenge after it was lost.
    if (isSameKey && chain !== null && verify(chain, signingKey).ok)
      return attestor.vouched(provider);
    if (
      isSameKey &&
      due.command !== null &&
      due.udid !== null &&
      now() - (due.askedAt ?? 0) < OPEN_MS
    )
      return mdm.push(due.udid);
    const udid = await mdm.udidOf(serial);
    const command = randomUUID();
    // Stored before MDM is asked, because the device may answer before MDM does.
    const [open] = await queryNamed(this.#options.database, OPEN_QUESTION, {
      provider,
      serial,
      signingKey,
      command,
      udid,
      now: now(),
    });
    if (open === undefined) return;
    try {
      await mdm.ask({ udid, command, nonce: createHash('sha256').update(signingKey).digest() });
    } catch (error) {
      await this.#close(command, udid);
      throw error;
    }
  }

  async #process(body: Uint8Array): Promise<AnswerOutcome> {
    const { log, attestor, verify } = this.#options;
    const answer = readAcknowledgement(body);
    if (answer === 'malformed') return 'malformed';
    // After the status NotNow, MDM itself asks the device again.
    if (answer === 'other' || answer.status === 'NotNow') return 'no_answer';
    const asked = await this.#close(answer.command, answer.udid);
    if (asked === undefined) return 'not_asked';
    const { provider, serial, signingKey } = asked;
    const failed = (outcome: AnswerOutcome, fault?: string): AnswerOutcome => {
      log.warn(
        { provider, outcome, ...(fault && { fault }) },
        'Apple’s answer does not confirm a machine',
      );
      return outcome;
    };
    if (answer.status !== 'Acknowledged') return failed('failed', answer.status);
    const chain = attestationIn(answer.payload);
    if (chain === undefined) return failed('no_attestation');
    const attestation = verify(chain, signingKey);
    if (!attestation.ok && attestation.fault !== 'posture')
      return failed(attestation.fault === 'stale' ? 'stale' : 'bad_chain', attestation.fault);
    if (attestation.device.serialNumber !== serial) return failed('other_device');
    if (!attestation.ok) {
      attestor.refuted(provider, signingKey);
      return failed('posture_off');
    }
    return (await this.#store(asked, chain)) ? 'kept' : 'not_asked';
  }

  async #close(command: string, udid: string): Promise<OpenQuestion | undefined> {
    const [asked] = await queryNamed(this.#options.database, CLOSE_QUESTION, { command, udid });
    return asked;
  }

  async #store(
    { provider, serial, signingKey }: OpenQuestion,
    chain: readonly Uint8Array[],
  ): Promise<boolean> {
    const { database, attestor, now } = this.#options;
    const certificates = chain.map((certificate) => Buffer.from(certificate));
    const [kept] = await queryNamed(database, KEEP_CHAIN, {
      provider,
      serial,
      signingKey,
      chain: certificates,
      now: now(),
    });
    if (kept !== undefined) attestor.vouched(provider);
    return kept !== undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#waking;
    await Promise.all(this.#asking);
  }
}
