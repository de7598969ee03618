import { chipKind } from '#bus-schemas/chips.ts';
import type { Routes } from '../api/routes.ts';
import type { OwnMachine } from './answers.ts';

type Row = Routes['GET /v1/models/demand']['answer']['earned'][number];

/** What machines earned from a model in a week; undefined if too few did, so that it is not known. */
export type KnownMedian = Pick<Row, 'median_micro_usd' | 'machines'> | undefined;

export interface ComparableRow {
  readonly model: string;
  /** For machines with each of the wanted chips, in their order. */
  readonly byChip: readonly KnownMedian[];
  /** For all machines together. */
  readonly all: KnownMedian;
}

/** The kinds of chips of some machines, each once; a machine that is not connected has none. */
export const chipKinds = (machines: readonly Pick<OwnMachine, 'chip'>[]): string[] => [
  ...new Set(machines.flatMap(({ chip }) => (chip === null ? [] : [chipKind(chip)]))),
];

/** What machines earned from each model. The model that earned most comes first, unknown ones last. */
export function comparableRows(
  rows: readonly Row[],
  { models, chips }: { models: readonly string[]; chips: readonly string[] },
): ComparableRow[] {
  const earned = (model: string, chip: string | null): KnownMedian =>
    rows.find((row) => row.model === model && row.chip === chip);
  return models
    .map((model) => ({
      model,
      byChip: chips.map((chip) => earned(model, chip)),
      all: earned(model, null),
    }))
    .toSorted(
      (one, other) =>
        (other.all?.median_micro_usd ?? -1) - (one.all?.median_micro_usd ?? -1) ||
        one.model.localeCompare(other.model),
    );
}
