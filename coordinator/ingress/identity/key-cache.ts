import {
  AccountChanged,
  type Authenticated,
  events,
  KeyChanged,
  LruMap,
  type RateLimits,
  services,
} from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { hashOf } from '#coordinator/secrets.ts';
import { ApiError } from '#http-api/errors.ts';
import { answerOf } from '../call-until.ts';

export interface KeyCaller {
  readonly account: string;
  readonly key: string;
  readonly limits?: RateLimits;
  /** Limits of the account that replace those of the network. */
  readonly accountLimits?: RateLimits;
  readonly allowedModels?: readonly string[];
  readonly selfRouteOnly?: boolean;
}

interface Entry {
  readonly answer: Authenticated;
  readonly goodUntil: number;
}

const KNOWN_MS = 60_000;
/**
 * Time for which an unknown key is remembered, in milliseconds. It is short, because the key may be
 * created right after a first, failed request.
 */
const UNKNOWN_MS = 2_000;
const MAX_ENTRIES = 50_000;
const MAX_KEY_LENGTH = 256;

/**
 * The owners of API keys. An event tells every ingress of a revoked key or a suspended account; the
 * lifetime of an entry limits how long such a key works if that event is lost.
 */
export class KeyCache implements Disposable {
  readonly #bus: Bus;
  readonly #clock: () => number;
  readonly #now: () => number;
  readonly #entries = new LruMap<string, Entry>(MAX_ENTRIES);
  readonly #asking = new Map<string, Promise<Authenticated>>();
  readonly #subscriptions: readonly { unsubscribe(): void }[];
  #changes = 0;

  constructor(bus: Bus, { clock, now }: { clock: () => number; now: () => number }) {
    this.#bus = bus;
    this.#now = now;
    this.#clock = clock;
    this.#subscriptions = [
      bus.subscribe({
        subject: events.accountsKeyChanged,
        kind: KeyChanged,
        handle: ({ key }) => this.changed(key),
      }),
      bus.subscribe({
        subject: events.accountsAccountChanged,
        kind: AccountChanged,
        handle: (changed) => this.#forget((caller) => caller.account === changed.account),
      }),
    ];
  }

  /** The caller from the cache; undefined if accounts must be asked. */
  known(keyText: string): KeyCaller | undefined {
    const entry = this.#entries.get(keyText);
    return entry !== undefined && this.#clock() < entry.goodUntil
      ? callerOf(entry.answer)
      : undefined;
  }

  async caller(keyText: string): Promise<KeyCaller> {
    return this.known(keyText) ?? callerOf(await this.#ask(keyText));
  }

  /** Called by this ingress after it has changed a key, since the event may come after its answer. */
  changed(key: string): void {
    this.#forget((caller) => caller.key === key);
  }

  #ask(keyText: string): Promise<Authenticated> {
    const asked = this.#asking.get(keyText);
    if (asked !== undefined) return asked;
    const answer = this.#lookUp(keyText).finally(() => this.#asking.delete(keyText));
    this.#asking.set(keyText, answer);
    return answer;
  }

  async #lookUp(keyText: string): Promise<Authenticated> {
    if (keyText.length > MAX_KEY_LENGTH) throw new ApiError('invalid_api_key');
    const changes = this.#changes;
    const answer = await answerOf(
      this.#bus,
      services.accounts.authenticate,
      { keyHash: hashOf(keyText) },
      { eachMs: 1_000, totalMs: 3_000 },
    );
    // A key has changed while the answer was in flight, so the answer may be older than the change.
    // It is used once, and not cached.
    if (changes !== this.#changes) return answer;
    this.#entries.set(keyText, { answer, goodUntil: this.#clock() + this.#lifetimeOf(answer) });
    return answer;
  }

  /** Lifetime of an entry in milliseconds. It ends when the key expires. */
  #lifetimeOf(answer: Authenticated): number {
    if (!answer.ok) return UNKNOWN_MS;
    return answer.expiresAt === undefined
      ? KNOWN_MS
      : Math.max(0, Math.min(KNOWN_MS, answer.expiresAt - this.#now()));
  }

  #forget(isChanged: (caller: KeyCaller) => boolean): void {
    this.#changes += 1;
    for (const [text, { answer }] of this.#entries) {
      if (!answer.ok || isChanged(answer)) this.#entries.delete(text);
    }
  }

  [Symbol.dispose](): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }
}

function callerOf(answer: Authenticated): KeyCaller {
  if (answer.ok) return answer;
  throw new ApiError(answer.code === 'suspended' ? 'account_suspended' : 'invalid_api_key');
}
