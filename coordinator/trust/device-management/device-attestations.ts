import { createHash, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { Counter, type Registry } from 'prom-client';
import { loadStatements, query, transaction } from '#coordinator/sql.ts';
import type { AppleAttestation } from '../apple-attestation/apple-chain.ts';
import type { Attestor } from '../attestation/attestor.ts';
import { evidenceIn } from '../attestation/verdict-store.ts';
import { attestationIn, readAcknowledgement } from './acknowledgement.ts';
import type { MicroMdm } from './micro-mdm.ts';
import { retryTimes } from './retry-times.ts';

/**
 * How the coordinator gets Apple's word for a machine: it has MDM ask the device for an attestation
 * of the machine's signing key, and keeps the answer.
 *
 * Invariants: an answer counts once, for the question that is open, from the device that was asked;
 * nothing is kept but a chain that verifies for
 * the key and the serial number that were asked for. Any number of copies share the work:
 * everything that has to be remembered is in the database.
 */

const sql = loadStatements(join(import.meta.dirname, 'store'), [
  'assign-device',
  'claim-due',
  'close-question',
  'expect-device',
  'keep-chain',
  'open-question',
]);

export interface DeviceAttestationsOptions {
  readonly database: Pool;
  /** Absent where nobody can be asked. */
  readonly mdm: Pick<MicroMdm, 'udidOf' | 'ask' | 'push'> | undefined;
  readonly verify: (chain: readonly Uint8Array[], signingKey: Uint8Array) => AppleAttestation;
  readonly attestor: Pick<Attestor, 'vouched' | 'refuted'>;
  readonly log: Logger;
  readonly metrics: Registry;
  readonly now: () => number;
  readonly random: () => number;
}

/** What came of an event; but for `kept` the machine is asked for again. */
export type Heard =
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
 * Until then a question stands in MDM's queue, and the device is only woken up; later it may have
 * been lost.
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

interface Asked {
  readonly provider: string;
  readonly serial: string;
  readonly signingKey: Buffer;
}

export class DeviceAttestations implements AsyncDisposable {
  readonly #options: DeviceAttestationsOptions;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #asking = new Set<Promise<void>>();
  readonly #outcomes: Counter<'outcome'>;
  #waking: Promise<void> | undefined;

  constructor(options: DeviceAttestationsOptions) {
    this.#options = options;
    const { metrics: registry, mdm } = options;
    this.#outcomes = new Counter({
      name: 'dinf_trust_mdm_total',
      help: 'What MDM said of devices',
      labelNames: ['outcome'],
      registers: [registry],
    });
    this.#timer = mdm && setInterval(() => void this.wake(), WAKE_MS);
  }

  /** The operator says which device a provider is. False where there is no such provider. */
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

  /** Asks for whoever is due; resolves when the questions of this turn were put. */
  wake(): Promise<void> {
    this.#waking ??= this.#wake().finally(() => {
      this.#waking = undefined;
    });
    return this.#waking;
  }

  /** What MDM tells of a device. */
  async heard(body: Uint8Array): Promise<Heard> {
    const outcome = await this.#heard(body);
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
          log.warn({ provider: due.provider, err: error }, 'MDM could not be asked for a device');
        });
        this.#asking.add(asking);
        void asking.finally(() => this.#asking.delete(asking));
      }
      await Promise.all(this.#asking);
    } catch (error) {
      log.warn({ err: error }, 'nobody could be asked for devices');
    }
  }

  /**
   * It is due again at once, later each time: whoever asks for it may die, and MDM may never
   * answer.
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
    const evidence = evidenceIn(due.evidence);
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
    // Apple's word is here already: the challenge for it was lost.
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
    // Before it is asked: the answer may be quicker than MDM's own.
    const [open] = await query(this.#options.database, sql['open-question'], [
      provider,
      serial,
      signingKey,
      command,
      udid,
      now(),
    ]);
    if (open === undefined) return;
    try {
      await mdm.ask({ udid, command, nonce: createHash('sha256').update(signingKey).digest() });
    } catch (error) {
      await this.#close(command, udid);
      throw error;
    }
  }

  async #heard(body: Uint8Array): Promise<Heard> {
    const { log, attestor, verify } = this.#options;
    const answer = readAcknowledgement(body);
    if (answer === 'malformed') return 'malformed';
    // "Not now" is no answer: MDM asks the device again by itself.
    if (answer === 'other' || answer.status === 'NotNow') return 'no_answer';
    const asked = await this.#close(answer.command, answer.udid);
    if (asked === undefined) return 'not_asked';
    const { provider, serial, signingKey } = asked;
    const failed = (outcome: Heard, fault?: string): Heard => {
      log.warn(
        { provider, outcome, ...(fault && { fault }) },
        'Apple does not vouch for a machine',
      );
      return outcome;
    };
    if (answer.status !== 'Acknowledged') return failed('failed', answer.status);
    const chain = attestationIn(answer.payload);
    if (chain === undefined) return failed('no_attestation');
    const said = verify(chain, signingKey);
    if (!said.ok && said.fault !== 'posture')
      return failed(said.fault === 'stale' ? 'stale' : 'bad_chain', said.fault);
    if (said.device.serialNumber !== serial) return failed('other_device');
    if (!said.ok) {
      attestor.refuted(provider, signingKey);
      return failed('posture_off');
    }
    return (await this.#keep(asked, chain)) ? 'kept' : 'not_asked';
  }

  async #close(command: string, udid: string): Promise<Asked | undefined> {
    const [asked] = await query<{ provider: string; serial: string; signingKey: Buffer }>(
      this.#options.database,
      sql['close-question'],
      [command, udid],
    );
    return asked;
  }

  async #keep(
    { provider, serial, signingKey }: Asked,
    chain: readonly Uint8Array[],
  ): Promise<boolean> {
    const { database, attestor, now } = this.#options;
    const certificates = chain.map((certificate) => Buffer.from(certificate));
    const [kept] = await query(database, sql['keep-chain'], [
      provider,
      serial,
      signingKey,
      certificates,
      now(),
    ]);
    if (kept !== undefined) attestor.vouched(provider);
    return kept !== undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#waking;
    await Promise.all(this.#asking);
  }
}
