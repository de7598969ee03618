import { PATHS } from '../router.ts';
import { t } from '../texts.ts';

export const Brand = () => (
  <a class="brand" href={PATHS.overview}>
    <span class="brand-mark" aria-hidden="true" />
    {t.product}
  </a>
);
