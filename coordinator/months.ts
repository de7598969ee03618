/** A month in UTC, as YYYY-MM. Months compare as texts. */
export type Month = string;

const MONTHS_IN_YEAR = 12;

export const isMonth = (text: string): boolean => /^\d{4}-(0[1-9]|1[0-2])$/.test(text);

export const startOf = (month: Month): Date => new Date(`${month}-01T00:00:00Z`);

export const monthOf = (at: number): Month => new Date(at).toISOString().slice(0, 'YYYY-MM'.length);

export function addMonths(month: Month, count: number): Month {
  const [year = 0, number = 0] = month.split('-').map(Number);
  const months = year * MONTHS_IN_YEAR + number - 1 + count;
  const text = String(Math.floor(months / MONTHS_IN_YEAR)).padStart(4, '0');
  return `${text}-${String((months % MONTHS_IN_YEAR) + 1).padStart(2, '0')}`;
}

/** The months from `first` on, before `end`. */
export function monthsBetween(first: Month, end: Month): Month[] {
  const months: Month[] = [];
  for (let month = first; month < end; month = addMonths(month, 1)) months.push(month);
  return months;
}
