import {
  type Evidence,
  HASH_BYTES,
  Hex,
  hex,
  isEvidenceSigned,
  LruMap,
  modelEntry,
  PrintedEvidence,
  readPrintedEvidence,
  releaseEntry,
  SUITE_ID,
  TRUST_LEVELS,
  TrustLevel,
  verdictEntry,
  X25519_KEY_BYTES,
} from '#bus-schemas/customer.ts';
import { checkerOf, sha256, utf8 } from '#bus-schemas/platform.ts';
import { type Static, Type } from '#bus-schemas/type.ts';
import type { LogView } from './log-view.ts';
import { SealedError } from './sealed-error.ts';

/**
 * Checks the machine that the coordinator offers, before a request is sealed for it. The
 * coordinator is not trusted: every statement about the machine must be signed by the machine or
 * stand in the transparency log.
 *
 * The attack: a coordinator that offers a key of its own, a machine that runs other code, or other
 * weights, in order to read the request or to forge the answer.
 */

export const Offer = Type.Object({
  attempt: Type.Integer({ minimum: 1, maximum: 64 }),
  provider: Type.String(),
  build: Type.String(),
  suite: Type.String(),
  sealing_key: Hex(X25519_KEY_BYTES),
  level: TrustLevel,
  evidence: PrintedEvidence,
});
export type Offer = Static<typeof Offer>;

const releasesShape = checkerOf(
  Type.Object({
    data: Type.Array(
      Type.Object({ version: Type.String(), code_hash: Hex(HASH_BYTES), active: Type.Boolean() }),
    ),
  }),
);

export interface OfferCheckOptions {
  readonly log: Pick<LogView, 'has'>;
  readonly get: (path: string) => Promise<unknown>;
  readonly minimumLevel: TrustLevel;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/**
 * Oldest evidence that is accepted, in milliseconds: a machine renews its evidence every five
 * minutes, and may miss that three times.
 */
const FRESH_MS = 16 * 60_000;
const CLOCK_MS = 2 * 60_000;
const MAX_KNOWN = 10_000;

export class OfferCheck {
  readonly #options: OfferCheckOptions;
  /**
   * Evidence whose signature was valid, and statements that were found in the log. Neither can
   * change, so they are checked once.
   */
  readonly #signed = new LruMap<string, true>(MAX_KNOWN);
  readonly #logged = new LruMap<string, true>(MAX_KNOWN);

  constructor(options: OfferCheckOptions) {
    this.#options = options;
  }

  /**
   * Throws a SealedError with the reason if no request may be sealed for this machine. `model` is
   * the name that the caller asked for.
   */
  async check(offer: Offer, model: string): Promise<void> {
    const { minimumLevel, now } = this.#options;
    const evidence = readPrintedEvidence(offer.evidence);
    if (evidence === undefined) throw untrusted('its evidence cannot be read');
    if (evidence.provider !== offer.provider)
      throw untrusted('its evidence belongs to another machine');
    if (offer.suite !== SUITE_ID || evidence.suite !== SUITE_ID)
      throw untrusted(`it does not use the cipher suite ${SUITE_ID}`);
    if (hex(evidence.sealingKey) !== offer.sealing_key)
      throw untrusted('its sealing key is not the one that it has signed');
    const age = now() - evidence.at;
    if (age > FRESH_MS + CLOCK_MS || age < -CLOCK_MS)
      throw untrusted('its evidence is too old, or dated in the future');
    if (rank(offer.level) < rank(minimumLevel))
      throw untrusted(
        `its trust level is ${offer.level}, and at least ${minimumLevel} is required`,
      );
    if (!this.#isSigned(offer, evidence)) throw untrusted('its evidence is not signed by it');
    await this.#checkLog(evidence, offer.level);
    await this.#checkModel(evidence, { model, build: offer.build });
  }

  #isSigned(offer: Offer, evidence: Evidence): boolean {
    const name = hex(sha256(utf8(JSON.stringify(offer.evidence))));
    if (this.#signed.get(name)) return true;
    if (!isEvidenceSigned(evidence)) return false;
    this.#signed.set(name, true);
    return true;
  }

  async #checkLog({ provider, signingKey, codeHash }: Evidence, level: TrustLevel): Promise<void> {
    const { log } = this.#options;
    const name = `${provider} ${hex(signingKey)} ${level} ${hex(codeHash)}`;
    if (this.#logged.get(name)) return;
    if (!(await log.has(verdictEntry({ provider, standing: 'verified', level, signingKey }))))
      throw untrusted('its key is not in the log');
    const version = await this.#versionOf(codeHash);
    if (version === undefined) throw untrusted('it runs no active release');
    if (!(await log.has(releaseEntry({ version, codeHash, active: true }))))
      throw untrusted('its release is not in the log');
    this.#logged.set(name, true);
  }

  /**
   * Prevents a coordinator from ordering another model than the caller asked for, and a machine
   * from serving other weights under the build's name.
   */
  async #checkModel(
    { weights = [] }: Evidence,
    { model, build }: { model: string; build: string },
  ): Promise<void> {
    const { log } = this.#options;
    const digest = weights.find((shown) => shown.build === build)?.digest;
    const name = JSON.stringify([model, build, digest && hex(digest)]);
    if (this.#logged.get(name)) return;
    const entry = { name: model, build, active: true };
    const isPinned =
      digest !== undefined && (await log.has(modelEntry({ ...entry, weights: digest })));
    if (!isPinned && !(await log.has(modelEntry({ ...entry, weights: undefined }))))
      throw untrusted(
        `the log has no entry that its build ${build}, with its weights, serves ${model}`,
      );
    this.#logged.set(name, true);
  }

  async #versionOf(codeHash: Uint8Array): Promise<string | undefined> {
    const releases = await this.#options.get('/v1/releases');
    if (!releasesShape.Check(releases))
      throw new SealedError('unreadable_answer', 'The releases cannot be read.');
    return releases.data.find((release) => release.active && release.code_hash === hex(codeHash))
      ?.version;
  }
}

const rank = (level: TrustLevel): number => TRUST_LEVELS.indexOf(level);
const untrusted = (why: string): SealedError =>
  new SealedError(
    'untrusted_offer',
    `The coordinator offered a machine that this client does not trust: ${why}.`,
  );
