import { language } from '../texts/language.ts';

const grouped = new Intl.NumberFormat(language === 'de' ? 'de-DE' : 'en-US');

/** A number such as "1.4" with the decimal sign of the language. */
export const decimal = (text: string): string =>
  language === 'de' ? text.replace('.', ',') : text;

/** "1,234,567" */
export const groupedDigits = (value: number): string => grouped.format(value);

/** A number of tokens in a few characters: "131k", "1M". */
export function tokens(value: number): string {
  if (value < 10_000) return groupedDigits(value);
  return value < 1_000_000
    ? `${Math.round(value / 1_000)}k`
    : `${decimal((value / 1_000_000).toFixed(1).replace(/\.0$/, ''))}M`;
}
