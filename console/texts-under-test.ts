import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const WEB = join(import.meta.dirname, 'web');
/** The texts of customers and machine owners, and those of operators. */
const FOLDERS = ['texts', 'operator/texts'];

type Texts = Readonly<Record<string, unknown>>;

export interface Text {
  /** Keys that lead to the text; that of a function ends with the number of its values. */
  readonly path: string;
  /** The text; a function of values has `‹0›` in the place of its first value, and so on. */
  readonly text: string;
}

/** Folder and name of each file of texts. */
export const TEXT_FILES: readonly (readonly [folder: string, file: string])[] = FOLDERS.flatMap(
  (folder) => readdirSync(join(WEB, folder, 'english')).map((file) => [folder, file] as const),
);

/** Value of a function in a text. */
export const VALUE = /‹\d›/g;

/** The texts of a file, which exports all of them under one name; none if there is no such file. */
export async function readTexts(
  folder: string,
  language: 'english' | 'german',
  file: string,
): Promise<Text[]> {
  const path = join(WEB, folder, language, file);
  if (!existsSync(path)) return [];
  const [texts] = Object.values((await import(path)) as Texts);
  return textsOf(texts, '');
}

function textsOf(texts: unknown, path: string): Text[] {
  if (typeof texts === 'string') return [{ path, text: texts }];
  if (typeof texts === 'function') {
    const values = Array.from({ length: texts.length }, (_, index) => `‹${index}›`);
    return [{ path: `${path}(${texts.length})`, text: String(texts(...values)) }];
  }
  return Object.entries(texts as Texts).flatMap(([key, value]) => textsOf(value, `${path}.${key}`));
}
