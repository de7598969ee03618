import { utf8 } from '#bus-schemas/platform.ts';

/** The bytes of a text that is signed or logged: each line ends with a line feed. */
export const textOf = (lines: readonly string[]): Uint8Array =>
  utf8(lines.map((line) => `${line}\n`).join(''));
