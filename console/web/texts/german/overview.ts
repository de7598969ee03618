import type { overviewTexts as english } from '../english/overview.ts';
import type { Translation } from '../translation.ts';

/** German texts of the overview. */
export const germanOverviewTexts: Translation<typeof english> = {
  overview: {
    title: 'Übersicht',
    actionsTitle: 'Was Sie braucht',
    nothingToDo: 'Zurzeit braucht Sie nichts.',
    balance: 'Verfügbar',
    held: (amount) => `${amount} weitere sind für laufende Anfragen zurückgelegt`,
    promotional: (amount) => `${amount} davon sind geschenktes Guthaben`,
    balanceNote: 'Geld, das die nächsten Anfragen ausgeben können',
    spentDay: 'Heute ausgegeben',
    spentWeek: 'Diese Woche ausgegeben',
    spentMonth: 'Diesen Monat ausgegeben',
    spentNote:
      'Mit dem, was für laufende Anfragen zurückgelegt ist. Tage, Wochen und Monate nach UTC.',
    recent: 'Letzte Anfragen',
    recentEmptyTitle: 'Noch keine Anfragen',
    recentEmpty: 'Senden Sie die erste aus dem Chat oder aus Ihrem eigenen Programm.',
    tryChat: 'Chat öffnen',
    tryQuickStart: 'Code zeigen',
  },
  actions: {
    owed: (amount) =>
      `Sie schulden ${amount} für zurückgenommene Zahlungen. Bis das beglichen ist, werden Anfragen abgelehnt.`,
    noMoney: 'Ihr Guthaben ist leer, deshalb werden Anfragen abgelehnt.',
    lowMoney: (amount) => `Ihr Guthaben ist niedrig: ${amount}.`,
    noKey: 'Legen Sie einen API-Schlüssel an, damit Ihre Programme Anfragen senden können.',
    createKey: 'Schlüssel anlegen',
    keyExpires: (name, when) => `Der Schlüssel „${name}“ läuft ab: ${when}.`,
    keyAtLimit: (name, window) =>
      `Der Schlüssel „${name}“ hat seine ${window} erreicht, deshalb werden seine Anfragen abgelehnt.`,
    keyNearLimit: (name, window, percent) =>
      `Der Schlüssel „${name}“ hat ${percent} % verbraucht (${window}).`,
    showKeys: 'Schlüssel zeigen',
    machineUntrusted: (name, reason) =>
      `Der Maschine „${name}“ wird nicht vertraut, deshalb bekommt sie keine Anfragen. ${reason}`.trimEnd(),
  },
};
