import { language } from '../texts/language.ts';

const MICRO = 1_000_000;

/** The whole amount, to the millionth of a dollar: "$12.345678". */
export function exactMoney(microUsd: number): string {
  return withSign(microUsd, (micro) => {
    const digits = String(micro).padStart(7, '0');
    return dollars(digits.slice(0, -6), digits.slice(-6));
  });
}

/**
 * The amount as people read it. Amounts of a cent and more have two decimals. Smaller ones keep
 * their two leading digits, so that the price of a short request is never shown as zero.
 */
export function money(microUsd: number): string {
  return withSign(microUsd, (micro) => {
    if (micro === 0) return dollars('0', '00');
    if (micro >= MICRO / 100) {
      const cents = Math.round(micro / 10_000);
      return dollars(String(Math.floor(cents / 100)), String(cents % 100).padStart(2, '0'));
    }
    const [whole = '', fraction = ''] = (micro / MICRO).toFixed(decimalsFor(micro)).split('.');
    return dollars(whole, fraction);
  });
}

/** A price for a million tokens: at least two decimals, and no more than it has. */
export function pricePerMillion(microUsd: number): string {
  const digits = String(microUsd).padStart(7, '0');
  return dollars(digits.slice(0, -6), digits.slice(-6).replace(/0+$/, '').padEnd(2, '0'));
}

/**
 * Reads what a person typed, such as "12.50", or "12,50" in German; undefined if it is no amount
 * above zero.
 */
export function parseMoney(text: string): number | undefined {
  const trimmed = withPoint(text.trim().replace(/^\$|\s*\$$/, ''));
  if (!/^\d{1,9}(\.\d{0,6})?$/.test(trimmed)) return undefined;
  const [whole = '0', fraction = ''] = trimmed.split('.');
  const micro = Number(whole) * MICRO + Number(fraction.padEnd(6, '0'));
  return micro > 0 ? micro : undefined;
}

/** Decimals that show the two leading digits of an amount below a cent. */
const decimalsFor = (micro: number): number => Math.min(6, 8 - String(micro).length);

function withSign(microUsd: number, format: (micro: number) => string): string {
  return microUsd < 0 ? `−${format(-microUsd)}` : format(microUsd);
}

const isGerman = language === 'de';

/** "$1,234.50", or "1.234,50 $" in German. */
function dollars(whole: string, fraction: string): string {
  const grouped = whole.replace(/\B(?=(\d{3})+(?!\d))/g, isGerman ? '.' : ',');
  return isGerman ? `${grouped},${fraction}\u00a0$` : `$${grouped}.${fraction}`;
}

/** The amount with a decimal point and without groups. A point before three digits groups in German. */
const withPoint = (text: string): string =>
  isGerman ? text.replace(/\.(?=\d{3}(\D|$))/g, '').replace(',', '.') : text.replaceAll(',', '');
