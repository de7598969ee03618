import type { Translation } from '../../../texts/translation.ts';
import type { operatorPeopleTexts as english } from '../english/people.ts';

/** German texts of people and their keys. */
export const germanOperatorPeopleTexts: Translation<typeof english> = {
  people: {
    title: 'Personen und Schlüssel',
    intro: 'Die Suche wird in das Prüfprotokoll geschrieben.',
    search: 'E-Mail-Adresse, deren Anfang, oder ein Konto',
    submit: 'Suchen',
    emptyTitle: 'Kein Konto',
    empty: 'Kein Konto hat eine solche Adresse.',
    notYet: 'Suchen Sie eine Person, um ihr Konto und ihre Schlüssel zu sehen.',
    account: 'Konto',
    since: 'Seit',
    state: 'Zustand',
    active: 'Aktiv',
    suspended: (reason) => `Gesperrt: ${reason}`,
    spent: 'Heute ausgegeben (UTC)',
    show: 'Schlüssel',
    suspend: 'Sperren',
    suspendTitle: (name) => `${name} sperren?`,
    suspendText:
      'Binnen einer Sekunde werden die Schlüssel und die Anmeldung dieses Kontos abgelehnt, und seine Maschinen bekommen keine neuen Anfragen. Laufende Anfragen werden beendet.',
    reason: 'Grund',
    reasonHint: 'Für Betreiber, im Prüfprotokoll',
    give: 'Geld geben',
    giveTo: (name) => `${name} Geld geben`,
    giveTitle: (name) => `${name} Geld geben?`,
    giveText: 'Der Betrag ist sofort verfügbar.',
    kind: 'Art',
    kinds: { credit: 'Geschenktes Guthaben', reward: 'Belohnung' },
    kindHints: {
      credit: 'Es kann ausgegeben und nie ausgezahlt werden.',
      reward:
        'Sie gilt als verdient und kann ausgezahlt werden. Die Gebühren der Plattform bezahlen sie.',
    },
    note: 'Notiz (freiwillig)',
    noteHint: 'Für das Konto: Sie steht neben dem Betrag in seinem Kontoauszug',
    resume: 'Freigeben',
    resumeTitle: (name) => `Die Sperre von ${name} aufheben?`,
    resumeText: 'Schlüssel, Anmeldung und Maschinen dieses Kontos funktionieren wieder.',
    keysOf: (name) => `Schlüssel von ${name}`,
    keysEmpty: 'Dieses Konto hat keinen Schlüssel.',
    key: 'Schlüssel',
    lastUsed: 'Zuletzt benutzt',
    revoke: 'Widerrufen',
    revokeTitle: (name) => `Den Schlüssel „${name}“ widerrufen?`,
    revokeText:
      'Programme mit diesem Schlüssel werden binnen einer Sekunde abgelehnt. Ein widerrufener Schlüssel lässt sich nicht wiederherstellen.',
    unnamed: 'Ohne Namen',
    never: 'Nie',
    paused: 'Angehalten',
  },
};
