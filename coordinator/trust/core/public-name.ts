/**
 * Rules for the names that machines have on the public leaderboard. The schema `PublicName` admits
 * ASCII letters, digits and single separators only, so letters of other alphabets that look like
 * Latin ones need no rule here.
 */

/** Pairs of letters that look like one letter in many fonts. */
const PAIRS: readonly (readonly [string, string])[] = [
  ['rn', 'm'],
  ['vv', 'w'],
];
/** Characters that are mistaken for a letter, after capitals have become small letters. */
const LOOKS_LIKE: Readonly<Record<string, string>> = {
  '0': 'o',
  '1': 'l',
  i: 'l',
  '2': 'z',
  '5': 's',
  '8': 'b',
};

/**
 * Returns how a name looks: two names with one shape can be mistaken for each other, so only one
 * machine has it. Capitals, spaces and separators do not count: "Studio-1" and "studioL" are one.
 */
export function nameShape(name: string): string {
  const letters = name
    .toLowerCase()
    .replace(/[^a-z0-9]/g, '')
    .replace(/[01258i]/g, (letter) => LOOKS_LIKE[letter] ?? letter);
  return PAIRS.reduce((shape, [pair, letter]) => shape.replaceAll(pair, letter), letters);
}

/** Words with which a machine would appear as the network itself. */
const RESERVED = ['official', 'operator', 'admin', 'dinf'].map(nameShape);

/** Whether a name would make its machine appear as one of the network's operator. */
export function isReserved(name: string): boolean {
  const shape = nameShape(name);
  return RESERVED.some((word) => shape.includes(word));
}
