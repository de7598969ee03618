import type { requestsTexts as english } from '../english/requests.ts';
import type { Translation } from '../translation.ts';

/** German texts of the list of requests and the details of one. */
export const germanRequestsTexts: Translation<typeof english> = {
  requests: {
    title: 'Anfragen',
    openRow: (model) => `, Einzelheiten der Anfrage an ${model}`,
    emptyTitle: 'Keine Anfragen',
    empty: 'Keine Anfrage dieses Zeitraums passt zu den Filtern.',
    all: { model: 'Alle Modelle', key: 'Alle Schlüssel' },
    time: 'Zeit',
    model: 'Modell',
    key: 'Schlüssel',
    tokens: 'Token hinein → heraus',
    cost: 'Kosten',
    outcome: 'Ergebnis',
    deletedKey: 'Widerrufener Schlüssel',
    consoleKey: 'Konsole',
    outcomes: { settled: 'Berechnet', refunded: 'Erstattet', void: 'Kostenlos' },
    cached: (count) => `${count} der Token hinein waren im Cache`,
  },
  details: {
    title: 'Eine Anfrage',
    received: 'Empfangen',
    status: 'Ende',
    statuses: {
      completed: 'Vollständig',
      cut_short: 'Durch einen Fehler abgeschnitten',
      client_gone: 'Vom Aufrufer angehalten',
      failed: 'Fehlgeschlagen, kostenlos',
      ingress_lost: 'Mit einem Server des Netzwerks verloren',
    },
    build: 'Build',
    attempts: 'Versuchte Maschinen',
    machine: 'Maschine',
    noMachine: 'Keine',
    trust: 'Identität',
    unknown: 'Unbekannt',
    cached: (count) => `${count} im Cache`,
    waited: (text) => `Erster Inhalt nach ${text}`,
    wrote: (text) => `Antwort nach weiteren ${text}`,
  },
  receipt: {
    title: 'Quittung',
    text: 'Die Maschine hat ihre Arbeit signiert, und das Netzwerk hat diese und den Preis signiert. Dieser Browser prüft beides, ohne jemanden zu fragen.',
    verify: 'Prüfen',
    show: 'Quittung zeigen',
    verdicts: {
      valid: 'Beide Signaturen sind gültig, und das Netzwerk veröffentlicht seinen Schlüssel.',
      wrong_machine_signature: 'Die Signatur der Maschine passt nicht zur Quittung.',
      wrong_network_signature: 'Die Signatur des Netzwerks passt nicht zur Quittung.',
      unknown_network_key:
        'Die Quittung ist mit einem Schlüssel signiert, den das Netzwerk nicht veröffentlicht.',
      impossible:
        'Dieser Browser kann die Signaturen nicht prüfen. Verwenden Sie dinf verify receipt.',
    },
  },
};
