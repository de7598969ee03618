const grouped = new Intl.NumberFormat('en-US');

/** "1,234,567" */
export const groupedDigits = (value: number): string => grouped.format(value);

/** A number of tokens in a few characters: "131k", "1M". */
export function tokens(value: number): string {
  if (value < 10_000) return groupedDigits(value);
  return value < 1_000_000
    ? `${Math.round(value / 1_000)}k`
    : `${(value / 1_000_000).toFixed(1).replace(/\.0$/, '')}M`;
}
