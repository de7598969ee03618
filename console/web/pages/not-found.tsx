import { PATHS } from '../router.ts';
import { t } from '../texts.ts';

export function NotFoundPage() {
  return (
    <div class="empty">
      <h1>{t.notFound.title}</h1>
      <p>{t.notFound.text}</p>
      <a class="button" href={PATHS.overview}>
        {t.notFound.home}
      </a>
    </div>
  );
}
