/** Writes lines of CSV (RFC 4180), for files that people open in a spreadsheet. */

/** Characters with which a spreadsheet begins a formula; it skips a tab or a carriage return. */
const FORMULA = /^[=+\-@\t\r]/;
const NEEDS_QUOTES = /[",\n\r]/;

/** One line, without its end. An absent value is an empty cell. */
export function csvLine(cells: readonly unknown[]): string {
  return cells.map(cellOf).join(',');
}

/**
 * A number stays a number, also a negative amount. A text that a spreadsheet would run as a formula
 * gets an apostrophe. The attack: the name of a model or a credit is a formula that sends the cells
 * of the table to another server when its reader opens the file.
 */
function cellOf(value: unknown): string {
  if (typeof value === 'number') return String(value);
  const text = String(value ?? '');
  const harmless = FORMULA.test(text) ? `'${text}` : text;
  return NEEDS_QUOTES.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
