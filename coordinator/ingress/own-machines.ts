import { BuildId, type CatalogModel, LruMap, type MessageOf, services } from '#bus-schemas';
import { checkerOf } from '#bus-schemas/platform.ts';
import type { Bus } from '#coordinator/bus.ts';
import { answerOf } from './call-until.ts';

type Slot = MessageOf<typeof services.routing.explain.reply>['slots'][number];

/** Longest time after which a linked or removed machine takes effect, in milliseconds. */
const GOOD_MS = 5_000;
const MAX_ACCOUNTS = 10_000;
const MAX_MACHINES = 64;
const CALL = { eachMs: 2_000, totalMs: 4_000 };
/**
 * The request that routing explains: it is the smallest one, because only build and machine matter
 * here.
 */
const SMALLEST = { promptTokens: 1, maxOutputTokens: 1 };
const FREE = {
  inputMicroUsdPerMillion: 0,
  cacheReadMicroUsdPerMillion: 0,
  outputMicroUsdPerMillion: 0,
};

/**
 * The machines of an account, and the builds that they serve. Their owner may call such a build by
 * its own name, without charge and without a catalog entry.
 */
export class OwnMachines {
  readonly #bus: Bus;
  readonly #clock: () => number;
  readonly #machines = new LruMap<string, { ids: readonly string[]; at: number }>(MAX_ACCOUNTS);

  constructor(bus: Bus, clock: () => number) {
    this.#bus = bus;
    this.#clock = clock;
  }

  async of(account: string): Promise<readonly string[]> {
    const known = this.#machines.get(account);
    if (known !== undefined && this.#clock() - known.at < GOOD_MS) return known.ids;
    const answer = await answerOf(this.#bus, services.trust.machines, { account }, CALL);
    const ids = answer.machines.flatMap(({ provider, revokedAt }) =>
      revokedAt === undefined ? [provider] : [],
    );
    this.#machines.set(account, { ids, at: this.#clock() });
    return ids;
  }

  /**
   * The build as a model; undefined if none of the account's machines serves it. The full name of a
   * repository (`owner/build`) is accepted for its last part, which is the name of the build.
   */
  async model(account: string, name: string): Promise<CatalogModel | undefined> {
    const builds = [...new Set([name, name.slice(name.lastIndexOf('/') + 1)])].filter((build) =>
      isBuild.Check(build),
    );
    const [model] = builds.length === 0 ? [] : await this.models(account, builds);
    return model;
  }

  /** All builds that the account's machines serve, or only the named ones. */
  async models(account: string, builds?: string[]): Promise<CatalogModel[]> {
    const providers = (await this.of(account)).slice(0, MAX_MACHINES);
    if (providers.length === 0) return [];
    const { slots } = await answerOf(
      this.#bus,
      services.routing.explain,
      { ...SMALLEST, providers, ...(builds && { builds }) },
      CALL,
    );
    return [...Map.groupBy(slots, ({ build }) => build)].map(([build, served]) =>
      modelOf(build, served),
    );
  }
}

const isBuild = checkerOf(BuildId);

function modelOf(build: string, slots: readonly Slot[]): CatalogModel {
  const contextTokens = Math.max(1, ...slots.map((slot) => slot.contextTokens ?? 0));
  const traits = [...new Set(slots.flatMap((slot) => slot.traits ?? []))];
  return {
    id: build,
    displayName: build,
    contextTokens,
    maxOutputTokens: contextTokens,
    builds: [build],
    traits,
    ...FREE,
    createdAt: 0,
  };
}
