import type { Translation } from '../../../texts/translation.ts';
import type { operatorAuditTexts as english } from '../english/audit.ts';

/** German texts of the audit log. */
export const germanOperatorAuditTexts: Translation<typeof english> = {
  audit: {
    title: 'Prüfprotokoll',
    intro:
      'Jede Änderung von Betreibern, von Personen in der Konsole und durch Befehle, die neueste zuerst.',
    empty: 'Noch wurde nichts geändert.',
    time: 'Zeit',
    who: 'Wer',
    action: 'Aktion',
    subject: 'Gegenstand',
    detail: 'Einzelheiten',
    outcome: 'Ergebnis',
    outcomes: { begun: 'Begonnen', done: 'Erledigt' },
  },
};
