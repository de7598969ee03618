import { delimiter } from 'node:path';
import { CodedError } from '../coded-error.ts';
import { type Static, type TSchema, Type } from '../type.ts';
import { apiSettings, jobSettings, moneySettings, trustSettings } from './coordinator-settings.ts';
import { fitsSetting } from './fits-setting.ts';
import { foreignSettings } from './foreign-settings.ts';
import { networkSettings } from './network-settings.ts';
import { providerSettings } from './provider-settings.ts';
import type { About } from './setting-schemas.ts';
import { testSettings } from './test-settings.ts';

/** All environment variables that this repository reads, by section of docs/configuration.md. */
export const SETTING_GROUPS = {
  'Folders, addresses and logs': networkSettings,
  'The API': apiSettings,
  'Jobs and routing': jobSettings,
  Money: moneySettings,
  Trust: trustSettings,
  'Machines that serve': providerSettings,
  'Variables of other programs': foreignSettings,
  Tests: testSettings,
} as const;

const schema = Type.Object({
  ...networkSettings,
  ...apiSettings,
  ...jobSettings,
  ...moneySettings,
  ...trustSettings,
  ...providerSettings,
  ...foreignSettings,
  ...testSettings,
});

type Settings = Static<typeof schema>;
export type SettingName = keyof Settings;
export type SettingValue<Name extends SettingName> = Settings[Name];
/** Environment variables, for example `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A schema of one setting, as far as the parser and the page read it. */
export type SettingSchema = TSchema &
  About & {
    readonly type?: string;
    readonly enum?: readonly string[];
    readonly items?: SettingSchema;
    readonly default?: unknown;
    readonly minimum?: number;
    readonly maximum?: number;
    readonly minLength?: number;
  };

/** A setting has a value that is not allowed, or several settings contradict each other. */
export class ConfigError extends CodedError<'invalid_config'> {
  override readonly fault = 'user';

  constructor(message: string, options?: ErrorOptions) {
    super('invalid_config', message, options);
  }
}

/** A copy of the environment without secrets, for a child process that needs none. */
export function withoutSecrets(env: Environment): NodeJS.ProcessEnv {
  const properties: Readonly<Record<string, unknown>> = schema.properties;
  const isSecret = (name: string) => (properties[name] as About | undefined)?.isSecret === true;
  return Object.fromEntries(Object.entries(env).filter(([name]) => !isSecret(name)));
}

/** Whether a variable is set. An empty variable counts as not set. */
export const isSet = (name: SettingName, env: Environment = process.env): boolean =>
  (env[name] ?? '') !== '';

/**
 * Returns the value of a setting, or its default; undefined if it has neither. Throws a
 * `ConfigError` if the value does not have the allowed form.
 */
export function setting<Name extends SettingName>(
  name: Name,
  env: Environment = process.env,
): SettingValue<Name> {
  const described = schema.properties[name] as unknown as SettingSchema;
  const text = env[name] ?? '';
  // A list is copied, so that no caller can change the default.
  if (text === '') return structuredClone(described.default) as SettingValue<Name>;
  const value = parsed(text, described);
  if (!fitsSetting(described, value)) throw new ConfigError(complaint(name, text, described));
  return value as SettingValue<Name>;
}

/** Returns the value that the schema checks. A text of a wrong form stays a text. */
function parsed(text: string, { type, separator, items }: SettingSchema): unknown {
  if ((type === 'integer' || type === 'number') && text.trim() !== '') return Number(text);
  if (type === 'boolean' && (text === '0' || text === '1')) return text === '1';
  if (type === 'array' && items !== undefined)
    return text
      .split(separator === 'path delimiter' ? delimiter : ',')
      .map((entry) => entry.trim())
      .filter((entry) => entry !== '');
  return text;
}

/** Longest part of a wrong value that an error repeats, in characters. */
const LONGEST_QUOTE = 100;

function complaint(name: SettingName, text: string, described: SettingSchema): string {
  const value = described.isSecret
    ? 'has a value that'
    : `is ${JSON.stringify(text.slice(0, LONGEST_QUOTE))}, which`;
  return `${name} ${value} is not allowed. It must be ${formOf(described)}.`;
}

/** Returns the allowed form of a setting, such as "a whole number from 1 to 5". */
export function formOf({
  form,
  type,
  enum: words,
  items,
  minimum,
  maximum,
  minLength,
  unit,
  separator,
}: SettingSchema): string {
  if (form !== undefined) return form;
  if (words !== undefined)
    return words.length === 1 ? String(words[0]) : `one of ${words.join(', ')}`;
  switch (type) {
    case 'integer':
    case 'number': {
      const kind = type === 'integer' ? 'a whole number' : 'a number';
      const range =
        maximum === Number.MAX_SAFE_INTEGER
          ? `of at least ${minimum}`
          : `from ${minimum} to ${maximum}`;
      return `${kind} ${range}${unit === undefined ? '' : ` (${unit})`}`;
    }
    case 'boolean':
      return '0 or 1';
    case 'array': {
      const between = separator === 'path delimiter' ? 'as the entries of PATH are' : 'by commas';
      const each = items?.enum === undefined ? '' : `, each ${formOf(items)}`;
      return `a list separated ${between}${each}`;
    }
    default:
      return minLength === undefined ? 'a text' : `a text of at least ${minLength} characters`;
  }
}
