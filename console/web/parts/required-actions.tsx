import type { RequiredAction } from '../state/required-actions.ts';
import { t } from '../texts.ts';
import { Status } from './figures.tsx';

/** What a person has to do, with the place for it; nothing if there is nothing to do. */
export function RequiredActions({ actions }: { actions: readonly RequiredAction[] }) {
  if (actions.length === 0) return null;
  return (
    <section class="required" aria-labelledby="required">
      <h2 id="required">{t.overview.actionsTitle}</h2>
      <ul>
        {actions.map(({ tone, text, link }) => (
          <li key={text}>
            <Status tone={tone} text={text} />
            {link && <a href={link.path}>{link.label}</a>}
          </li>
        ))}
      </ul>
    </section>
  );
}
