import { gb } from '#provider/downloads/fit.ts';

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
  readonly wanted?: Wanted | undefined;
  /** Shown instead of the demand. */
  readonly note?: string | undefined;
}

interface Wanted {
  /** Requests of the last 24 hours. */
  readonly requests: number;
  /** Machines that serve it now. */
  readonly machines: number;
  /** Memory that a machine needs, in GiB; undefined if the operator does not state it. */
  readonly memoryGb?: number | undefined;
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
  readonly wanted: Wanted;
}

/**
 * The models that are on the disk and fit, and those of the catalogue that can be downloaded; the
 * ones with the most requests come first, and of those with equally many the ones on the disk.
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
    const build = model.name.split('/').at(-1);
    const known = catalogue.find(({ id, repository }) => repository === model.name || id === build);
    return { ...model, isOnDisk: true, wanted: known?.wanted };
  });
  const names = new Set(there.map(({ name }) => name));
  const elsewhere = catalogue
    .filter(({ repository, wanted }) => {
      const isThere = repository === undefined || names.has(repository);
      return !isThere && (wanted.memoryGb === undefined || wanted.memoryGb <= machineGb);
    })
    .map(
      ({ repository = '', wanted }): ModelChoice => ({ name: repository, isOnDisk: false, wanted }),
    );
  const byName = new Map([...there, ...elsewhere].map((choice) => [choice.name, choice]));
  return [...byName.values()]
    .filter(({ problem }) => problem === undefined)
    .toSorted(
      (one, other) =>
        (other.wanted?.requests ?? -1) - (one.wanted?.requests ?? -1) ||
        Number(other.isOnDisk) - Number(one.isOnDisk),
    );
}

/** One line of the list, without its number. */
export function choiceLine({
  name,
  isOnDisk,
  bytes,
  tokensPerSecond,
  wanted,
  note,
}: ModelChoice): string {
  const { requests = 0, machines = 0, memoryGb } = wanted ?? {};
  return [
    name,
    bytes === undefined
      ? memoryGb === undefined
        ? 'size not known'
        : `needs ${memoryGb} GiB of memory`
      : `${gb(bytes)} of weights`,
    ...(tokensPerSecond === undefined ? [] : [`at most ${Math.round(tokensPerSecond)} tokens/s`]),
    isOnDisk ? 'on this machine' : 'is downloaded first',
    note ??
      (wanted === undefined
        ? 'not in the catalogue: only you can use it'
        : `${requests} requests in 24 h, ${machines} ${machines === 1 ? 'machine' : 'machines'}`),
  ].join(', ');
}

/** The places in a list of `count` that a text such as `1,3` names; undefined if it names no others. */
export function placesIn(text: string, count: number): number[] | undefined {
  const words = text.trim() === '' ? ['1'] : text.trim().split(/[\s,]+/);
  const places = words.map((word) => (/^\d+$/.test(word) ? Number(word) - 1 : -1));
  return places.every((place) => place >= 0 && place < count) ? [...new Set(places)] : undefined;
}
