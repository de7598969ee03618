import type { frameTexts as english } from '../english/frame.ts';
import type { Translation } from '../translation.ts';

/** German texts of the frame around every page, and of parts that many pages have. */
export const germanFrameTexts: Translation<typeof english> = {
  product: 'd-inference',
  skipToContent: 'Zum Inhalt springen',
  nav: {
    label: 'Seiten',
    open: 'Menü öffnen',
    close: 'Menü schließen',
    use: 'Modelle nutzen',
    overview: 'Übersicht',
    needed: (count) => (count === 1 ? '1 Sache braucht Sie' : `${count} Dinge brauchen Sie`),
    chat: 'Chat',
    models: 'Modelle',
    keys: 'API-Schlüssel',
    quickStart: 'Schnellstart',
    requests: 'Anfragen',
    money: 'Geld',
    serve: 'Modelle bereitstellen',
    machines: 'Maschinen',
    setUp: 'Maschine einrichten',
    earnings: 'Einnahmen',
    link: 'Maschine verknüpfen',
  },
  exportCsv: 'Als CSV exportieren',
  pager: { label: 'Seiten der Liste', previous: 'Zurück', next: 'Weiter' },
  periods: {
    label: 'Zeitraum',
    day: 'Letzte 24 Stunden',
    week: 'Letzte 7 Tage',
    month: 'Letzte 30 Tage',
  },
  account: {
    signOut: 'Abmelden',
    signOutEverywhere: 'Überall abmelden',
    everywhereText:
      'Jeder Browser, der bei diesem Konto angemeldet ist, wird abgemeldet, und die in diesem Browser gespeicherten Chats werden gelöscht. API-Schlüssel bleiben gültig.',
    menu: 'Ihr Konto',
    sessions: 'Sitzungen',
    theme: 'Farben',
    themes: { system: 'Wie das System', light: 'Hell', dark: 'Dunkel' },
    language: 'Sprache',
  },
  sessions: {
    title: 'Ihre Sitzungen',
    text: 'Browser, die bei Ihrem Konto angemeldet sind. Beenden Sie die, die Sie nicht kennen.',
    current: 'Dieser Browser',
    lastUsed: 'Zuletzt benutzt',
    end: 'Beenden',
    endOf: (browser) => `Die Sitzung von ${browser} beenden`,
    unknownBrowser: 'Unbekannter Browser',
  },
  live: {
    lost: (clock) =>
      `Keine laufenden Meldungen seit ${clock}. Die Konsole versucht, sich wieder zu verbinden.`,
  },
  states: {
    loading: 'Wird geladen',
    retry: 'Erneut versuchen',
    staleSince: (clock) => `Veraltet seit ${clock}.`,
    unreachable: 'Das Netzwerk antwortet nicht. Prüfen Sie Ihre Verbindung.',
    failedWith: (code) => `Die Anfrage ist fehlgeschlagen (${code}).`,
  },
  time: {
    now: 'gerade eben',
    minutesAgo: (minutes) => `vor ${minutes} min`,
    hoursAgo: (hours) => `vor ${hours} h`,
    daysAgo: (days) => (days === 1 ? 'vor 1 Tag' : `vor ${days} Tagen`),
    over: 'vorbei',
    inMinutes: (minutes) => `in ${minutes} min`,
    inHours: (hours) => `in ${hours} h`,
    inDays: (days) => (days === 1 ? 'in 1 Tag' : `in ${days} Tagen`),
    never: 'Nie',
  },
  windows: {
    day: 'tägliche Grenze',
    week: 'wöchentliche Grenze',
    month: 'monatliche Grenze',
    total: 'Gesamtgrenze',
  },
  copy: {
    copy: 'Kopieren',
    copied: 'Kopiert',
    failed: 'Markieren und kopieren Sie den Text selbst',
  },
  dialog: { close: 'Schließen', cancel: 'Abbrechen' },
  notFound: {
    title: 'Diese Seite gibt es nicht',
    text: 'Vielleicht ist die Adresse falsch geschrieben, oder die Seite wurde verschoben.',
    home: 'Zur Übersicht',
  },
};
