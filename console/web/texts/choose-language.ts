import { type Language, STORED_LANGUAGE } from './language.ts';

/** Stores the choice and loads the page again, because all parts of it have texts. */
export function chooseLanguage(chosen: Language): void {
  localStorage.setItem(STORED_LANGUAGE, chosen);
  location.reload();
}
