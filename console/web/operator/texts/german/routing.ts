import type { Translation } from '../../../texts/translation.ts';
import type { operatorRoutingTexts as english } from '../english/routing.ts';

/** German texts of routing. */
export const germanOperatorRoutingTexts: Translation<typeof english> = {
  routing: {
    title: 'Verteilung',
    intro:
      'Die letzten Entscheidungen der Router, und was Maschinen zurzeit daran hindert zu antworten.',
    decisions: 'Letzte Entscheidungen',
    emptyTitle: 'Noch keine Entscheidungen',
    empty: 'Die Router haben keine Anfrage vergeben, seit dieser Ingress läuft.',
    time: 'Zeit',
    model: 'Modell',
    outcome: 'Ergebnis',
    outcomes: { placed: 'Vergeben', queued: 'Wartet', refused: 'Abgelehnt' },
    machine: 'Maschine',
    rejected: 'Geschlossene Schranken',
    cost: 'Erwartete Dauer',
    waited: 'Gewartet',
    candidates: (count) =>
      count === 1
        ? '1 Maschine hätte antworten können'
        : `${count} Maschinen hätten antworten können`,
    explain: 'Eine Anfrage jetzt',
    explainText: 'Für einen Prompt von 500 Tokens und eine Antwort von höchstens 500 Tokens.',
    allModels: 'Alle Modelle',
    gate: 'Schranke',
    open: 'offen',
    because: 'Grund',
    wouldServe: 'Sie würde diese Anfrage beantworten.',
    load: 'Last',
    slotsEmpty: 'Keine Maschine bietet es an.',
    switches: 'Teile, die sich abschalten lassen',
    switchNames: {
      affinity: 'Gespräche bevorzugen die Maschine, die sie schon gelesen hat',
      warm_pool: 'Maschinen laden Modelle nach Bedarf',
    },
    on: 'Ein',
    off: 'Aus',
    turnOn: 'Einschalten',
    turnOff: 'Abschalten',
    switchTitle: (name) => `„${name}“ ändern?`,
    switchText: 'Alle Router übernehmen die Änderung binnen einer Sekunde, auch über Neustarts.',
  },
};
