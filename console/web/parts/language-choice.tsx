import { chooseLanguage } from '../texts/choose-language.ts';
import { LANGUAGES, type Language, language } from '../texts/language.ts';
import { t } from '../texts.ts';

export function LanguageChoice() {
  return (
    <label class="theme">
      {t.account.language}
      <select
        value={language}
        onChange={({ currentTarget }) => chooseLanguage(currentTarget.value as Language)}
      >
        {Object.entries(LANGUAGES).map(([tag, name]) => (
          <option key={tag} value={tag} lang={tag}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}
