import { Type } from '../type.ts';

/**
 * A description of one environment variable that is not a part of JSON Schema. `default` has the
 * form of the parsed value.
 */
export type About = {
  /** Completes the sentence "The variable sets …", in Markdown. */
  readonly description: string;
  /** Unit of a number. */
  readonly unit?: string;
  /** Allowed form, if the other keywords of the schema do not state it. */
  readonly form?: string;
  /** Default in Markdown, if it is not one fixed value. */
  readonly shownDefault?: string;
  /** True: errors do not show the value. */
  readonly isSecret?: true;
  /** Separator of the entries of a list; absent means a comma. */
  readonly separator?: 'path delimiter';
};

type Range = {
  readonly minimum: number;
  readonly maximum: number;
};

export const text = (about: About & { default?: string; minLength?: number; pattern?: string }) =>
  Type.String(about);

export const path = (about: About) => Type.String({ form: 'a path', ...about });

export const host = (about: About & { default: string }) =>
  Type.String({ form: 'an IP address or a host name', ...about });

export const integerSetting = (about: About & Range & { default?: number }) => Type.Integer(about);

export const milliseconds = (about: About & Range & { default?: number }) =>
  Type.Integer({ unit: 'milliseconds', ...about });

/** A price or an amount in micro-dollars. */
export const microDollars = (about: About & { default: number; maximum?: number }) =>
  Type.Integer({ unit: 'micro-dollars', minimum: 0, maximum: Number.MAX_SAFE_INTEGER, ...about });

export const portSetting = (about: About & { default?: number }) =>
  Type.Integer({ minimum: 0, maximum: 65_535, ...about });

/** `1` turns something on, `0` turns it off. */
export const flag = (about: About & { default?: boolean }) => Type.Boolean(about);

export const oneOf = <const Words extends string[]>(
  words: readonly [...Words],
  about: About & { default?: Words[number] },
) => Type.Enum(words, about);

export const url = (about: About & { default?: string }) =>
  Type.Refine(
    Type.String({ form: 'a URL that begins with https:// or http://', ...about }),
    (value) => /^https?:\/\//.test(value) && URL.canParse(value),
  );

/** A list whose entries are separated by commas. It is empty if the variable is not set. */
export const list = ({ pattern, ...about }: About & { default?: string[]; pattern?: string }) =>
  Type.Array(Type.String({ minLength: 1, ...(pattern !== undefined && { pattern }) }), {
    default: [],
    ...about,
  });
