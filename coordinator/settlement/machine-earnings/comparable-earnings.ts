import { chipKind, MAX_MODEL_EARNINGS, type ModelEarnings } from '#bus-schemas';

/** What one machine earned from one model. */
export interface MachineShare {
  readonly model: string;
  readonly provider: string;
  /** The account that earned it. */
  readonly owner: string;
  /** In micro-dollars. */
  readonly amount: number;
}

/**
 * Machines and owners without which no figure is shown. Otherwise the income of one person could be
 * read, and one person with several machines could make a model look better than it is.
 */
const FEWEST = 3;
const DIGITS = 2;

/**
 * The median of what machines earned from each model: of all machines together, and of those with
 * the same chip. Machines whose chip is not known count only in the first.
 */
export function comparableEarnings(
  shares: readonly MachineShare[],
  chips: ReadonlyMap<string, string>,
): ModelEarnings[] {
  const rows: ModelEarnings[] = [];
  for (const [model, all] of Map.groupBy(shares, (share) => share.model)) {
    const total = summary(all);
    if (total === undefined) continue;
    rows.push({ model, ...total });
    const known = all.filter(({ provider }) => chips.has(provider));
    const byChip = Map.groupBy(known, ({ provider }) => chipKind(chips.get(provider) ?? ''));
    for (const [chip, some] of byChip) {
      const row = summary(some);
      if (row !== undefined) rows.push({ model, chip, ...row });
    }
  }
  return rows.slice(0, MAX_MODEL_EARNINGS);
}

/** Undefined if too few machines or owners earned. */
function summary(
  shares: readonly MachineShare[],
): Pick<ModelEarnings, 'machines' | 'medianMicroUsd'> | undefined {
  const byMachine = Map.groupBy(shares, ({ provider }) => provider);
  const owners = new Set(shares.map(({ owner }) => owner));
  if (byMachine.size < FEWEST || owners.size < FEWEST) return undefined;
  const amounts = [...byMachine.values()]
    .map((own) => own.reduce((sum, { amount }) => sum + amount, 0))
    .toSorted((one, other) => one - other);
  const median = amounts[Math.floor((amounts.length - 1) / 2)] ?? 0;
  // Rounded, so that two answers do not show what one more payment changed.
  return { machines: byMachine.size, medianMicroUsd: Number(median.toPrecision(DIGITS)) };
}
