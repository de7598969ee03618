import { useEffect, useState } from 'preact/hooks';

/** Places of the console. The server answers each of them with the same page. */
export const PATHS = {
  overview: '/',
  signIn: '/sign-in',
  chat: '/chat',
  models: '/models',
  keys: '/keys',
  quickStart: '/quick-start',
  requests: '/requests',
  money: '/money',
  machines: '/machines',
  setUp: '/set-up',
  earnings: '/earnings',
  link: '/link',
  status: '/status',
  log: '/log',
  getStarted: '/get-started',
} as const;

export type PageName = keyof typeof PATHS;

/** Places that everybody may read, also without a session. */
export const PUBLIC_PLACES = ['models', 'status', 'log', 'getStarted'] as const;
export type PublicPlace = (typeof PUBLIC_PLACES)[number];

export const isPublic = (place: PageName | undefined): place is PublicPlace =>
  PUBLIC_PLACES.some((each) => each === place);

const watchers = new Set<() => void>();

export function goTo(path: string): void {
  if (path !== location.pathname + location.search) history.pushState(null, '', path);
  for (const watcher of watchers) watcher();
}

/** Replaces the place in the history, for example to remove a code from the address bar. */
export function replacePath(path: string): void {
  history.replaceState(null, '', path);
  for (const watcher of watchers) watcher();
}

/** The place that the address bar shows; undefined for an address that no page has. */
export function usePageName(): PageName | undefined {
  const [path, setPath] = useState(location.pathname);
  useEffect(() => {
    const read = () => setPath(location.pathname);
    watchers.add(read);
    addEventListener('popstate', read);
    document.addEventListener('click', followLink);
    return () => {
      watchers.delete(read);
      removeEventListener('popstate', read);
      document.removeEventListener('click', followLink);
    };
  }, []);
  return placeAt(path);
}

function placeAt(path: string): PageName | undefined {
  const trimmed = path.length > 1 ? path.replace(/\/$/, '') : path;
  return (Object.keys(PATHS) as PageName[]).find((place) => PATHS[place] === trimmed);
}

/** Follows links to places of the console without loading the page again. */
function followLink(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = event.target instanceof Element ? event.target.closest('a') : null;
  if (link === null || link.target !== '' || link.hasAttribute('download')) return;
  const url = new URL(link.href);
  if (url.origin !== location.origin || placeAt(url.pathname) === undefined) return;
  event.preventDefault();
  goTo(url.pathname + url.search);
}
