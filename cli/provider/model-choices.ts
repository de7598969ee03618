import { gb } from '#provider/downloads/fit.ts';
import { usd } from '../printed-values.ts';

/** A model that the owner of a machine can choose. */
export interface ModelChoice {
  /** The value of `--model`. */
  readonly name: string;
  readonly isOnDisk: boolean;
  /** Size of the weights in bytes; undefined before the download. */
  readonly bytes?: number | undefined;
  /** Most tokens per second of one answer; undefined if it is not known. */
  readonly tokensPerSecond?: number | undefined;
  /** Why it cannot run here. */
  readonly problem?: string | undefined;
  /** What the network knows about it; undefined if it is not in the catalogue. */
  readonly demand?: Demand | undefined;
  /** The network wants this build on more machines. */
  readonly isWanted?: boolean | undefined;
  /** Shown instead of the demand. */
  readonly note?: string | undefined;
}

interface Demand {
  /** Requests of the last 24 hours. */
  readonly requests: number;
  /** Machines that serve it now. */
  readonly machines: number;
  /** Memory that a machine needs, in GiB; undefined if the operator does not state it. */
  readonly memoryGb?: number | undefined;
  /** What other machines earned from it; undefined if too few did, or if it could not be read. */
  readonly earned?: Earned | undefined;
}

/** What machines earned from a model within seven days, by settled jobs. */
interface Earned {
  readonly medianMicroUsd: number;
  readonly machines: number;
  /** Whether they have the chip of this machine. */
  readonly isComparable: boolean;
}

/** A row of what machines earned; a chip of null stands for all machines together. */
export interface EarnedRow {
  readonly model: string;
  readonly chip: string | null;
  readonly machines: number;
  readonly median_micro_usd: number;
}

/** What machines with this chip earned from a model, or else what all machines did. */
export function earnedFrom(
  rows: readonly EarnedRow[],
  { model, chip }: { model: string; chip: string },
): Earned | undefined {
  const ofModel = rows.filter((row) => row.model === model);
  const row =
    ofModel.find((each) => each.chip === chip) ?? ofModel.find((each) => each.chip === null);
  return (
    row && {
      medianMicroUsd: row.median_micro_usd,
      machines: row.machines,
      isComparable: row.chip !== null,
    }
  );
}

interface OnDisk {
  readonly name: string;
  readonly bytes: number;
  readonly problem?: string | undefined;
  readonly tokensPerSecond?: number | undefined;
}

/** A model of the catalogue, with the repository of its weights. */
interface InCatalogue {
  readonly id: string;
  readonly repository: string | undefined;
  readonly demand: Demand;
  /** The repository of a build of this model that the network wants on more machines. */
  readonly wantedRepository?: string | undefined;
}

/**
 * The models that are on the disk and fit, and those of the catalogue that can be downloaded. Builds
 * that the network wants come first, then the models with the most requests, and of those with
 * equally many the ones on the disk.
 */
export function modelChoices({
  onDisk,
  catalogue,
  machineGb,
}: {
  onDisk: readonly OnDisk[];
  catalogue: readonly InCatalogue[];
  /** Memory of the machine, in GiB. */
  machineGb: number;
}): ModelChoice[] {
  const there = onDisk.map((model): ModelChoice => {
    const build = buildIn(model.name);
    const known = catalogue.find(
      ({ id, repository, wantedRepository }) =>
        repository === model.name || id === build || wantedRepository === model.name,
    );
    const isWanted =
      known?.wantedRepository !== undefined && buildIn(known.wantedRepository) === build;
    return { ...model, isOnDisk: true, demand: known?.demand, isWanted };
  });
  const names = new Set(there.map(({ name }) => name));
  const elsewhere = catalogue
    .map(
      ({ repository, wantedRepository, demand }): ModelChoice => ({
        name: wantedRepository ?? repository ?? '',
        isOnDisk: false,
        demand,
        isWanted: wantedRepository !== undefined,
      }),
    )
    .filter(({ name, demand }) => {
      const isThere = name === '' || names.has(name);
      return !isThere && (demand?.memoryGb === undefined || demand.memoryGb <= machineGb);
    });
  const byName = new Map([...there, ...elsewhere].map((choice) => [choice.name, choice]));
  return [...byName.values()]
    .filter(({ problem }) => problem === undefined)
    .toSorted(
      (one, other) =>
        Number(other.isWanted === true) - Number(one.isWanted === true) ||
        (other.demand?.requests ?? -1) - (one.demand?.requests ?? -1) ||
        Number(other.isOnDisk) - Number(one.isOnDisk),
    );
}

const buildIn = (repository: string): string | undefined => repository.split('/').at(-1);

/** One line of the list, without its number. */
export function choiceLine({
  name,
  isOnDisk,
  bytes,
  tokensPerSecond,
  demand,
  isWanted,
  note,
}: ModelChoice): string {
  const memoryGb = demand?.memoryGb;
  return [
    name,
    bytes === undefined
      ? memoryGb === undefined
        ? 'size not known'
        : `needs ${memoryGb} GiB of memory`
      : `${gb(bytes)} of weights`,
    ...(tokensPerSecond === undefined ? [] : [`at most ${Math.round(tokensPerSecond)} tokens/s`]),
    isOnDisk ? 'on this machine' : 'is downloaded first',
    ...(isWanted === true ? ['wanted by the network on more machines'] : []),
    note ??
      (demand === undefined ? 'not in the catalogue: only you can use it' : demandText(demand)),
  ].join(', ');
}

function demandText({ requests, machines, earned }: Demand): string {
  const volume = `${requests} requests in 24 h, ${counted(machines)}`;
  if (earned === undefined)
    return `${volume}, what it earns is not known: fewer than three owners earned from it last week`;
  const which = earned.isComparable ? 'with this chip' : 'of all kinds';
  return `${volume}, ${counted(earned.machines)} ${which} earned ${usd(earned.medianMicroUsd)} last week (median, settled jobs)`;
}

const counted = (machines: number) => `${machines} ${machines === 1 ? 'machine' : 'machines'}`;

/** The places in a list of `count` that a text such as `1,3` names; undefined if it names no others. */
export function placesIn(text: string, count: number): number[] | undefined {
  const words = text.trim() === '' ? ['1'] : text.trim().split(/[\s,]+/);
  const places = words.map((word) => (/^\d+$/.test(word) ? Number(word) - 1 : -1));
  return places.every((place) => place >= 0 && place < count) ? [...new Set(places)] : undefined;
}
