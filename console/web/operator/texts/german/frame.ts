import type { Translation } from '../../../texts/translation.ts';
import type { operatorFrameTexts as english } from '../english/frame.ts';

/** German texts of the frame around the operators' pages, and of parts that several pages have. */
export const germanOperatorFrameTexts: Translation<typeof english> = {
  product: 'Betreiber',
  nav: {
    fleet: 'Flotte',
    incidents: 'Störungen',
    breakers: 'Sicherungen und Zellen',
    routing: 'Verteilung',
    money: 'Geld',
    rewards: 'Vergütungen',
    people: 'Personen',
    models: 'Modelle',
    trust: 'Versionen und Protokoll',
    bus: 'Hubs und Streams',
    audit: 'Prüfprotokoll',
  },
  signIn: {
    title: 'Als Betreiber anmelden',
    text: 'Ein Betreiberschlüssel öffnet diese Seiten. Er wird einmal gesendet, und dieser Browser bekommt ein Cookie, das kein Skript lesen kann. Der Befehl „dinf operator-key NAME“ erstellt einen Schlüssel.',
    key: 'Betreiberschlüssel',
    submit: 'Anmelden',
    expired: 'Ihre Sitzung ist beendet. Melden Sie sich wieder an, um fortzufahren.',
  },
  signedInAs: 'Betreiber',
  signOut: 'Abmelden',
  rows: (from, until, all) => `${from}–${until} von ${all}`,
  pages: 'Seiten der Tabelle',
  find: 'Suchen',
  noMatch: 'Keine Zeile enthält diesen Text.',
  none: 'Keine',
  actions: 'Aktionen',
};
