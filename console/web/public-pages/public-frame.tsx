import type { ComponentChildren } from 'preact';
import { Brand } from '../parts/brand.tsx';
import { PATHS, PUBLIC_PLACES, type PublicPlace } from '../router.ts';
import { t } from '../texts.ts';

interface PublicFrameProps {
  /** Undefined on the sign-in page. */
  readonly place: PublicPlace | undefined;
  readonly children: ComponentChildren;
}

/** The frame of pages for people who are not signed in: the public pages and the sign-in. */
export function PublicFrame({ place, children }: PublicFrameProps) {
  return (
    <>
      <a class="skip-link" href="#content">
        {t.skipToContent}
      </a>
      <header class="public-bar">
        <Brand />
        <nav aria-label={t.public.nav}>
          <ul>
            {PUBLIC_PLACES.map((target) => (
              <li key={target}>
                <a
                  class="nav-link"
                  href={PATHS[target]}
                  {...(target === place && { 'aria-current': 'page' })}
                >
                  {t.nav[target]}
                </a>
              </li>
            ))}
          </ul>
        </nav>
        {place !== undefined && (
          <a class="button" href={PATHS.signIn}>
            {t.public.signIn}
          </a>
        )}
      </header>
      {children}
    </>
  );
}
