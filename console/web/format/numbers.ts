import { language } from '../texts/language.ts';

const grouped = new Intl.NumberFormat(language === 'de' ? 'de-DE' : 'en-US');

/** A number such as "1.4" with the decimal sign of the language. */
export const decimal = (text: string): string =>
  language === 'de' ? text.replace('.', ',') : text;

/** "1,234,567" */
export const groupedDigits = (value: number): string => grouped.format(value);

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** A size in memory or on a disk: "512 B", "1.5 GiB". */
export function bytes(value: number): string {
  const power = Math.min(UNITS.length - 1, value < 1 ? 0 : Math.floor(Math.log2(value) / 10));
  const amount = value / 1_024 ** power;
  return `${power === 0 || amount >= 100 ? Math.round(amount) : amount.toFixed(1)} ${UNITS[power]}`;
}

/** The memory of a machine, which the API has in millions of bytes. */
export const megabytes = (value: number): string => bytes(value * 1_000_000);

/** A number of tokens in a few characters: "131k", "1M". */
export function tokens(value: number): string {
  if (value < 10_000) return groupedDigits(value);
  return value < 1_000_000
    ? `${Math.round(value / 1_000)}k`
    : `${decimal((value / 1_000_000).toFixed(1).replace(/\.0$/, ''))}M`;
}
