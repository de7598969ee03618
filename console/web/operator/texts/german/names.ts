import type { Translation } from '../../../texts/translation.ts';
import type { operatorNamesTexts as english } from '../english/names.ts';

/** German texts of the names that machines have on the public leaderboard. */
export const germanOperatorNamesTexts: Translation<typeof english> = {
  names: {
    title: 'Öffentliche Namen',
    intro: 'Namen, die Besitzer ihren Maschinen für die öffentliche Rangliste gegeben haben.',
    empty: 'Keine Maschine zeigt einen Namen.',
    name: 'Name',
    withdraw: 'Entziehen',
    withdrawName: (name) => `Den Namen ${name} entziehen`,
    withdrawTitle: (name) => `Den Namen „${name}“ entziehen?`,
    withdrawText:
      'Die Maschine arbeitet weiter und verlässt die Rangliste binnen einer Minute. Keine Maschine kann diesen Namen wieder bekommen, und die Maschinen ihres Besitzers bekommen keinen anderen, bis Sie es erlauben.',
    withdrawn: 'Entzogene Namen',
    comparedAs: 'Name, wie Namen verglichen werden',
    allow: 'Namen wieder erlauben',
    allowTitle: 'Dem Besitzer dieser Maschine wieder Namen erlauben?',
    allowText: 'Auch der entzogene Name kann dann wieder vergeben werden.',
  },
};
