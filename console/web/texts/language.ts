/** The languages of the console, by their own names. */
export const LANGUAGES = { en: 'English', de: 'Deutsch' } as const;
export type Language = keyof typeof LANGUAGES;

/** Name of the choice in the storage of the browser. */
export const STORED_LANGUAGE = 'dinf.language';

/** The language that the person chose, or else the first one of their browser that the console has. */
export const language: Language = chosenLanguage();

function chosenLanguage(): Language {
  // Tests of pure functions run without a browser.
  if (!('document' in globalThis)) return 'en';
  const wanted = [localStorage.getItem(STORED_LANGUAGE) ?? '', ...navigator.languages];
  return wanted.map((tag) => tag.slice(0, 2)).find(isLanguage) ?? 'en';
}

function isLanguage(tag: string): tag is Language {
  return Object.hasOwn(LANGUAGES, tag);
}
