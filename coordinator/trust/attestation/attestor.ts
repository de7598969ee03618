import { randomBytes } from 'node:crypto';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import {
  Challenge,
  core,
  type Evidence,
  events,
  hex,
  isSame,
  Judgement,
  type MachinePause,
  NONCE_BYTES,
  providerOf,
  TrustMessage,
  TrustVerdict,
  verdictEntry,
} from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { transaction } from '#coordinator/sql.ts';
import { type CounterOf, counter } from '#observability';
import { examine, reexamine } from '../core/examine.ts';
import {
  isAwaited,
  judgementOf,
  type TrustEvent,
  type TrustState,
  type TrustStep,
  trustStep,
} from '../core/standing.ts';
import type { TransparencyLog } from '../log/transparency-log.ts';
import type { NetworkClock } from '../network-clock.ts';
import { isActiveCode } from '../releases/releases.ts';
import {
  dueMachines,
  type KnownMachine,
  lockMachine,
  machinesWithCode,
  pardonRemoved,
  savePauses,
  saveProven,
  saveVerdict,
  verdictOf,
} from './verdict-store.ts';

export interface AttestorOptions {
  readonly bus: Bus;
  readonly database: Pool;
  readonly transparency: TransparencyLog;
  /**
   * Whether Apple vouches for a key and the state of its device, by certificates in the evidence or
   * by those that Apple has sent for the machine; undefined without either.
   */
  readonly vouched: (
    evidence: Evidence,
    chain: readonly Uint8Array[] | undefined,
  ) => boolean | undefined;
  /** Whether evidence must be signed with the machine's key on the bus. */
  readonly demandsBusSignature: boolean;
  readonly log: Logger;
  readonly metrics: Registry;
  readonly clock: NetworkClock;
}

const WAKE_MS = 1_000;
/**
 * Number of machines that are challenged per second. The others follow in the next second, so that
 * a fleet which reconnects together is spread out.
 */
const MAX_WOKEN = 200;
/** Messages per second that are read from one machine; an honest machine sends fewer. */
const MAX_MESSAGES_PER_SECOND = 10;

/** Builds the event from the locked state of the machine. */
type EventFor = (
  known: KnownMachine,
  isActive: (codeHash: Uint8Array) => Promise<boolean>,
) => Promise<TrustEvent | undefined> | TrustEvent | undefined;

/**
 * Challenges machines again and again. Any number of copies share the work: the state of a machine
 * is in the database and changes under its lock. Messages about it are sent after the commit, and
 * sent again whenever the machine asks.
 */
export class Attestor implements AsyncDisposable {
  readonly #options: AttestorOptions;
  readonly #timer: NodeJS.Timeout;
  readonly #subscription: { unsubscribe(): void };
  readonly #outcomes: CounterOf<'dinf_trust_verdicts_total'>;
  readonly #messageCounts = new Map<string, number>();
  readonly #running = new Set<Promise<void>>();
  #waking = false;

  constructor(options: AttestorOptions) {
    this.#options = options;
    this.#outcomes = counter(options.metrics, 'dinf_trust_verdicts_total');
    this.#subscription = options.bus.subscribe({
      subject: core.everyUp('trust'),
      kind: TrustMessage,
      queue: 'trust',
      wants: (subject) => this.#isWithinRate(providerOf(subject)),
      handle: (message, subject) => void this.#receive(message, providerOf(subject)),
    });
    this.#timer = setInterval(() => void this.#wake(), WAKE_MS);
  }

  /** The hub has reported that the machine is connected. */
  connected(provider: string): void {
    this.#run(provider, () => ({ type: 'connected' }));
  }

  async pardon(provider: string): Promise<boolean> {
    if (await this.#applyEvent(provider, () => ({ type: 'pardoned' }))) return true;
    return pardonRemoved(this.#options.database, provider);
  }

  async accuse(provider: string, fault: 'wrong_model' | 'overbilled'): Promise<boolean> {
    return this.#applyEvent(provider, () => ({ type: 'accused', fault }));
  }

  /** Returns false if there is no such machine, or if it is untrusted. */
  async prove(provider: string): Promise<boolean> {
    let isTrusted = false;
    await this.#applyEvent(provider, ({ state: { standing } }) => {
      isTrusted = standing !== 'untrusted';
      return { type: 'proved' };
    });
    return isTrusted;
  }

  /** Pauses or resumes a machine. Returns false if there is no such machine. */
  pause(provider: string, pause: MachinePause, isOn: boolean): Promise<boolean> {
    return this.#applyEvent(provider, () => ({ type: 'paused', pause, isOn }));
  }

  /** A statement of Apple about the machine has arrived: the machine is challenged at once. */
  vouched(provider: string): void {
    this.#run(provider, () => ({ type: 'vouched' }));
  }

  /** Apple contradicts the machine's own statement about the device with this key. */
  refuted(provider: string, signingKey: Uint8Array): void {
    this.#run(provider, ({ state: { evidence } }) =>
      evidence && isSame(evidence.signingKey, signingKey)
        ? { type: 'reviewed', finding: { is: 'caught', fault: 'posture_off' } }
        : undefined,
    );
  }

  /** Judges again all machines that run this code. */
  async review(codeHash: Uint8Array): Promise<void> {
    for (const provider of await machinesWithCode(this.#options.database, codeHash)) {
      await this.#applyEvent(provider, async ({ state: { evidence }, chain }, isActive) => {
        if (evidence === undefined) return undefined;
        const runsActiveCode = await isActive(evidence.codeHash);
        return {
          type: 'reviewed',
          finding: reexamine(evidence, {
            runsActiveCode,
            vouched: (shown) => this.#options.vouched(shown, chain),
          }),
        };
      });
    }
  }

  /**
   * A clock that seems to be wrong may be trust's own. Therefore all clocks are read before a
   * machine is blamed, outside of the transaction.
   */
  async #receive(message: TrustMessage, provider: string): Promise<void> {
    const { clock } = this.#options;
    await clock.settle(message.t === 'evidence' ? message.evidence.at : undefined);
    this.#run(provider, (known, isActive) => this.#eventOf(message, known, provider, isActive));
  }

  async #eventOf(
    message: TrustMessage,
    known: KnownMachine,
    provider: string,
    isActive: (codeHash: Uint8Array) => Promise<boolean>,
  ): Promise<TrustEvent | undefined> {
    if (message.t === 'ask') return { type: 'asked', sealingKey: message.sealingKey };
    const { evidence } = message;
    const { clock } = this.#options;
    // An old or replayed answer does not match the open nonce and is ignored.
    if (!isAwaited(known.state, evidence.nonce, clock.now())) return undefined;
    const runsActiveCode = await isActive(evidence.codeHash);
    const signingKey = known.state.evidence?.signingKey;
    const vouched = (shown: Evidence) => this.#options.vouched(shown, known.chain);
    const now = clock.isCertain ? clock.now() : undefined;
    const finding = examine(evidence, {
      provider,
      busKey: known.busKey,
      demandsBusSignature: this.#options.demandsBusSignature,
      signingKey,
      now,
      runsActiveCode,
      vouched,
    });
    // Only a time that is signed with the machine's own key counts as its clock.
    if (finding.is !== 'caught') clock.recordReading(provider, evidence.at);
    return { type: 'answered', evidence, finding };
  }

  #isWithinRate(provider: string): boolean {
    const count = (this.#messageCounts.get(provider) ?? 0) + 1;
    this.#messageCounts.set(provider, count);
    return count <= MAX_MESSAGES_PER_SECOND;
  }

  async #wake(): Promise<void> {
    this.#messageCounts.clear();
    if (this.#waking) return;
    this.#waking = true;
    const { database, log, clock } = this.#options;
    try {
      await clock.settle();
      for (const provider of await dueMachines(database, clock.now(), MAX_WOKEN))
        await this.#applyEvent(provider, () => ({ type: 'due' }));
    } catch (error) {
      log.warn(
        { err: error },
        'machines that are due could not be challenged; trust tries again in a second',
      );
    } finally {
      this.#waking = false;
    }
  }

  /** Runs in the background and logs a failure. */
  #run(provider: string, eventFor: EventFor): void {
    const work = this.#applyEvent(provider, eventFor).then(
      () => undefined,
      (error: unknown) =>
        this.#options.log.warn(
          { provider, err: error },
          'an event of a machine could not be processed, so its standing is unchanged',
        ),
    );
    this.#running.add(work);
    void work.finally(() => this.#running.delete(work));
  }

  /** Returns false if there is no such machine. */
  async #applyEvent(provider: string, eventFor: EventFor): Promise<boolean> {
    const { database, clock, transparency } = this.#options;
    const applied = await transaction(database, async (client) => {
      const known = await lockMachine(client, provider);
      const event = known && (await eventFor(known, (codeHash) => isActiveCode(client, codeHash)));
      if (known === undefined || event === undefined) return { known };
      // Another copy of trust was faster.
      if (event.type === 'due' && (known.state.wakeAt ?? Number.POSITIVE_INFINITY) > clock.now())
        return { known };
      const step = trustStep(known.state, event, clock.now(), {
        nonce: () => randomBytes(NONCE_BYTES),
        random: Math.random,
      });
      const changed = step.state !== known.state;
      const revision = changed ? await saveVerdict(client, provider, step.state) : known.revision;
      if (step.state.proven !== known.state.proven)
        await saveProven(client, provider, step.state.proven);
      if (step.state.pauses !== known.state.pauses)
        await savePauses(client, provider, step.state.pauses);
      if (isLogged(known.state, step.state)) {
        const { standing, level, evidence } = step.state;
        await transparency.append(
          client,
          verdictEntry({ provider, standing, level, signingKey: evidence?.signingKey }),
        );
      }
      return { known, step, revision };
    });
    if (applied.step !== undefined) this.#publish(provider, applied.step, applied.revision);
    return applied.known !== undefined;
  }

  #publish(provider: string, { state, challenge, publish }: TrustStep, revision: number): void {
    const { bus, log, clock } = this.#options;
    if (challenge && state.nonce !== undefined)
      bus.publish(core.down(provider, 'challenge'), Challenge, { nonce: state.nonce });
    if (!publish) return;
    this.#outcomes.inc({ standing: state.standing });
    if (state.fault !== undefined)
      log.warn(
        { provider, standing: state.standing, fault: state.fault },
        'a machine is not trusted',
      );
    bus.publish(core.down(provider, 'judgement'), Judgement, judgementOf(state));
    bus.emit(
      events.trustVerdict,
      TrustVerdict,
      verdictOf({ provider, revision, state, now: clock.now() }),
      `verdict:${provider}:${revision}`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#subscription.unsubscribe();
    await Promise.all(this.#running);
  }
}

/** The log records a change of standing, level or key, not every confirmation. */
function isLogged(before: TrustState, after: TrustState): boolean {
  const key = ({ evidence }: TrustState) => evidence && hex(evidence.signingKey);
  return (
    before.standing !== after.standing || before.level !== after.level || key(before) !== key(after)
  );
}
