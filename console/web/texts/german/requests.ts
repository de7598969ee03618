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
    timeline: 'Zeiten dieser Anfrage',
    chosen: (able) =>
      able === 1
        ? 'Die einzige Maschine gewählt, die bedienen konnte'
        : `Maschine unter ${able} gewählt`,
    heldStep: 'Höchstmögliche Kosten zurückgelegt',
    firstContent: 'Erster Inhalt',
    lastToken: (tokens) => `Letztes von ${tokens} Token`,
    settled: 'Abgerechnet:',
  },
  routing: {
    title: 'Warum diese Maschine',
    unknown: 'Es ist nicht aufgezeichnet, warum diese Maschine gewählt wurde.',
    able: (count) =>
      count === 1
        ? 'Nur diese Maschine konnte die Anfrage bedienen.'
        : `${count} Maschinen konnten die Anfrage bedienen. Gewählt wurde die mit der kleinsten Summe dieser Teile; bei fast gleichen Summen wechseln sie sich ab, und Ihre eigenen Wünsche gehen vor.`,
    another: (first) =>
      `Die Teile sind die der Maschine ${first}…, die zuerst gewählt wurde und scheiterte. Die nächstbeste hat übernommen.`,
    queued: (text) => `Die Anfrage wartete ${text} auf eine freie Maschine.`,
    termsCaption: 'Die Kosten der gewählten Maschine nach ihren Teilen',
    sum: 'Summe',
    terms: {
      load: 'Modell laden',
      queue: 'Ihre anderen Antworten',
      prompts: 'Prompts vor Ihrem',
      prefill: 'Ihren Prompt lesen',
      decode: 'Erstes Token',
      price: 'Ihr Preis, als Verzögerung',
      memory: 'Knapper Speicher, als Verzögerung',
      cpu: 'Belegter Prozessor, als Verzögerung',
      heat: 'Hitze, als Verzögerung',
      power: 'Akkubetrieb, als Verzögerung',
    },
    refused: (count) =>
      count === 1
        ? '1 andere Maschine konnte nicht bedienen:'
        : `${count} andere Maschinen konnten nicht bedienen:`,
    gates: {
      not_wanted: 'nicht unter den Maschinen, die die Anfrage nannte',
      excluded: 'von der Anfrage ausgeschlossen, oder zuvor an ihr gescheitert',
      silent: 'ohne Verbindung zum Netzwerk',
      flooding: 'sendet zu viele Nachrichten',
      draining: 'beendet ihre Anfragen vor einer Pause',
      memory_pressure: 'Speicher knapp',
      thermal_critical: 'zu heiß',
      closed: 'zu dieser Zeit von ihrem Besitzer geschlossen',
      private_only: 'bedient nur ihren Besitzer',
      no_batches: 'nimmt keine Zeilen von Batches',
      paused: 'von einem Betreiber angehalten',
      suite: 'ihr Programm ist zu alt',
      slot_failed: 'konnte das Modell nicht laden',
      model_too_large: 'zu klein für das Modell',
      free_memory: 'zu wenig freier Speicher für das Modell',
      traits: 'ohne eine Fähigkeit, die die Anfrage braucht',
      weights: 'ihre Modelldateien sind nicht die gelisteten',
      level: 'Vertrauensstufe unter der, die die Anfrage verlangt',
      minimum_trust: 'Vertrauensstufe unter der, die dieses Netzwerk verlangt',
      price: 'teurer als der gelistete oder akzeptierte Preis',
      context: 'Kontext zu kurz für die Anfrage',
      probation: 'neu, und nicht an der Reihe',
      slow: 'hätte zu spät begonnen',
      breaker: 'nach mehreren Fehlern angehalten',
      cooling: 'hatte kurz zuvor eine andere Anfrage abgelehnt',
      busy: 'mit anderen Anfragen belegt',
      tokens: 'zu wenig Speicher für eine Anfrage dieser Länge',
      crowded: 'eine weitere Antwort hätte ihre Antworten zu langsam gemacht',
      unordered: 'für versiegelte Anfragen Ihres Kontos gehalten',
    },
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
