import { THEMES, type Theme, useTheme } from '../state/theme.ts';
import { t } from '../texts.ts';

export function ThemeChoice() {
  const [theme, setTheme] = useTheme();
  return (
    <label class="theme">
      {t.account.theme}
      <select
        value={theme}
        onChange={({ currentTarget }) => setTheme(currentTarget.value as Theme)}
      >
        {THEMES.map((option) => (
          <option key={option} value={option}>
            {t.account.themes[option]}
          </option>
        ))}
      </select>
    </label>
  );
}
