import type { Translation } from '../../../texts/translation.ts';
import type { operatorTrustTexts as english } from '../english/trust.ts';

/** German texts of releases and the transparency log. */
export const germanOperatorTrustTexts: Translation<typeof english> = {
  trust: {
    title: 'Versionen und Vertrauensprotokoll',
    log: 'Vertrauensprotokoll',
    entries: 'Einträge',
    signed: 'Unterschrieben',
    root: 'Wurzel-Hash',
    key: 'Schlüssel',
    witnesses:
      'Jeder kann Zeuge sein: ein Programm, das jeden Kopf speichert, prüft, dass er den letzten fortsetzt, und ihn mit anderen vergleicht. Das Netzwerk führt keine Liste der Zeugen.',
    releases: 'Versionen, mit denen Maschinen laufen dürfen',
    empty: 'Keine Version.',
    version: 'Version',
    code: 'Programm',
    added: 'Hinzugefügt',
    state: 'Zustand',
    active: 'Gültig',
    withdrawn: (when) => `Zurückgezogen ${when}`,
    how: 'Versionen werden mit „dinf release withdraw“ zurückgezogen, weil das Maschinen anhält.',
  },
};
