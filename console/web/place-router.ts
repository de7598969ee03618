import { useEffect, useState } from 'preact/hooks';

/**
 * A router for pages with one level of paths. `paths` has the path of each page; links to them are
 * followed without loading the page again.
 */
export function routerOf<Name extends string>(paths: Readonly<Record<Name, string>>) {
  const watchers = new Set<() => void>();
  const changed = () => {
    for (const watcher of watchers) watcher();
  };

  const placeAt = (path: string): Name | undefined => {
    const trimmed = path.length > 1 ? path.replace(/\/$/, '') : path;
    return (Object.keys(paths) as Name[]).find((place) => paths[place] === trimmed);
  };

  const goTo = (path: string): void => {
    if (path !== location.pathname + location.search) history.pushState(null, '', path);
    changed();
  };

  /** Replaces the place in the history, for example to remove a code from the address bar. */
  const replacePath = (path: string): void => {
    history.replaceState(null, '', path);
    changed();
  };

  const followLink = (event: MouseEvent): void => {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    if (link === null || link.target !== '' || link.hasAttribute('download')) return;
    const url = new URL(link.href);
    if (url.origin !== location.origin || placeAt(url.pathname) === undefined) return;
    event.preventDefault();
    goTo(url.pathname + url.search);
  };

  /** The place that the address bar shows; undefined for an address that no page has. */
  const usePageName = (): Name | undefined => {
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
  };

  return { goTo, replacePath, usePageName };
}
