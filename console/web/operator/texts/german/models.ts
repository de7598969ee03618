import type { Translation } from '../../../texts/translation.ts';
import type { operatorModelsTexts as english } from '../english/models.ts';

/** German texts of models, aliases and rollouts. */
export const germanOperatorModelsTexts: Translation<typeof english> = {
  models: {
    title: 'Modelle, Namen und Umstellungen',
    emptyTitle: 'Keine Modelle',
    empty: 'Fügen Sie eines mit dinf models put hinzu.',
    model: 'Modell',
    intro: 'Der erste Build eines Modells ist der bevorzugte.',
    builds: 'Builds',
    price: 'Ein- / Ausgabe je Million',
    state: 'Zustand',
    offered: 'Angeboten',
    beta: 'Im Betatest',
    deprecated: (when) => `Veraltet seit ${when}`,
    shed: (when, reason) => `Angehalten bis ${when}: ${reason}`,
    alias: (names) => `auch ${names}`,
    pause: 'Anhalten',
    pauseTitle: (name) => `Anfragen für ${name} ablehnen?`,
    pauseText:
      'Aufrufer bekommen eine Stunde lang 429 mit diesem Grund. Laufende Anfragen werden beendet.',
    reason: 'Grund, den Aufrufer lesen',
    unpause: 'Wieder anbieten',
    unpauseTitle: (name) => `Anfragen für ${name} wieder annehmen?`,
    unpauseText: 'Aufrufer werden sofort bedient.',
    revert: 'Zurück',
    revertTitle: (name) => `Den früheren Build von ${name} bevorzugen?`,
    revertText: (build) =>
      `${build} wird wieder der bevorzugte Build. Der jetzige bleibt als zweiter.`,
  },
};
