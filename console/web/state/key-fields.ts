import type { Routes } from '../api/routes.ts';
import { exactMoney, parseMoney } from '../format/money.ts';
import { t } from '../texts.ts';
import type { ApiKey } from './answers.ts';

/** What a person types into the form of a key. */
export interface KeyFields {
  readonly name: string;
  readonly expiry: Expiry;
  /** Names of the models that the key may use; empty for all. */
  readonly models: readonly string[];
  readonly daily: string;
  readonly weekly: string;
  readonly monthly: string;
  readonly total: string;
  readonly rpm: string;
  readonly itpm: string;
  readonly otpm: string;
  readonly onlyOwn: boolean;
  readonly paused: boolean;
}

export type Expiry = keyof typeof t.keyForm.expiryOptions;
type Changes = Routes['POST /v1/keys']['body'];

export const SPENDING_FIELDS = ['daily', 'weekly', 'monthly', 'total'] as const;
export const RATE_FIELDS = ['rpm', 'itpm', 'otpm'] as const;
type NumberField = (typeof SPENDING_FIELDS)[number] | (typeof RATE_FIELDS)[number];

const DAYS: Readonly<Partial<Record<Expiry, number>>> = { day: 1, week: 7, month: 30, quarter: 90 };
const DAY_MS = 24 * 3_600_000;

export const NEW_FIELDS: KeyFields = {
  name: '',
  expiry: 'never',
  models: [],
  daily: '',
  weekly: '',
  monthly: '',
  total: '',
  rpm: '',
  itpm: '',
  otpm: '',
  onlyOwn: false,
  paused: false,
};

export function fieldsOf(key: ApiKey): KeyFields {
  return {
    name: key.name,
    expiry: 'keep',
    models: key.allowed_models ?? [],
    daily: amountText(key.daily_limit_micro_usd),
    weekly: amountText(key.weekly_limit_micro_usd),
    monthly: amountText(key.monthly_limit_micro_usd),
    total: amountText(key.total_limit_micro_usd),
    rpm: numberText(key.rpm_limit),
    itpm: numberText(key.itpm_limit),
    otpm: numberText(key.otpm_limit),
    onlyOwn: key.self_route_only,
    paused: key.disabled,
  };
}

export type Problems = Readonly<Partial<Record<NumberField, string>>>;

/** The body of the request, or what is wrong with the fields. */
export function changesFrom(
  fields: KeyFields,
  now: number,
): { readonly changes: Changes } | { readonly problems: Problems } {
  const problems: Problems = {
    ...problemsIn(fields, SPENDING_FIELDS, parseMoney, t.keyForm.wrongAmount),
    ...problemsIn(fields, RATE_FIELDS, parseCount, t.keyForm.wrongCount),
  };
  if (Object.keys(problems).length > 0) return { problems };
  const days = DAYS[fields.expiry];
  return {
    changes: {
      name: fields.name.trim(),
      disabled: fields.paused,
      ...(fields.expiry !== 'keep' && {
        expires_at: days === undefined ? null : new Date(now + days * DAY_MS).toISOString(),
      }),
      allowed_models: fields.models.length === 0 ? null : [...fields.models],
      self_route_only: fields.onlyOwn,
      daily_limit_micro_usd: parseMoney(fields.daily) ?? null,
      weekly_limit_micro_usd: parseMoney(fields.weekly) ?? null,
      monthly_limit_micro_usd: parseMoney(fields.monthly) ?? null,
      total_limit_micro_usd: parseMoney(fields.total) ?? null,
      rpm_limit: parseCount(fields.rpm) ?? null,
      itpm_limit: parseCount(fields.itpm) ?? null,
      otpm_limit: parseCount(fields.otpm) ?? null,
    },
  };
}

function problemsIn(
  fields: KeyFields,
  names: readonly NumberField[],
  parse: (text: string) => number | undefined,
  problem: string,
): Problems {
  const wrong = names.filter(
    (name) => fields[name].trim() !== '' && parse(fields[name]) === undefined,
  );
  return Object.fromEntries(wrong.map((name) => [name, problem]));
}

function parseCount(text: string): number | undefined {
  const trimmed = text.trim().replaceAll(',', '');
  return /^[1-9]\d{0,8}$/.test(trimmed) ? Number(trimmed) : undefined;
}

const numberText = (value: number | null): string => (value === null ? '' : String(value));

/** An amount as a person would type it: "5", "0.25". */
const amountText = (micro: number | null): string =>
  micro === null
    ? ''
    : exactMoney(micro)
        .slice(1)
        .replaceAll(',', '')
        .replace(/\.?0+$/, '');
