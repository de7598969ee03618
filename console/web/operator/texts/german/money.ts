import type { Translation } from '../../../texts/translation.ts';
import type { operatorMoneyTexts as english } from '../english/money.ts';

/** German texts of the network's money. */
export const germanOperatorMoneyTexts: Translation<typeof english> = {
  money: {
    title: 'Geld',
    proof: 'Beweis der Bücher',
    proved: (entries) =>
      `Die Bücher stimmen. Seit dem letzten Beweis sind ${entries} Buchungen dazugekommen.`,
    broken: 'Die Bücher stimmen nicht. Folgen Sie DinfLedgerDrift in docs/operating/incidents.md.',
    again: 'Erneut beweisen',
    counts: {
      open_holds: 'Offene Reservierungen',
      overdue_holds: 'Überfällige Reservierungen',
      orphan_holds: 'Reservierungen ohne Konto',
      unbalanced_transactions: 'Unausgeglichene Vorgänge',
      drifted_balances: 'Falsche Kontostände',
      negative_balances: 'Negative Kontostände',
      overcharged_receipts: 'Mehr berechnet als der Beleg',
      double_ended: 'Doppelt beendete Anfragen',
    },
    stripe: 'Stripe hat mehr als die Bücher',
    noStripe: 'Stripe ist nicht eingerichtet',
    parked: 'Zurückgestellte Meldungen',
    parkedEmpty: 'Der Bus hat jede Meldung der Abrechnung angenommen.',
    subject: 'Betreff',
    reason: 'Grund',
    since: 'Seit',
    messages: 'Meldungen',
    replay: 'Erneut senden',
    replayTitle: 'Die zurückgestellten Meldungen erneut senden?',
    replayText: 'Jede Meldung wird mindestens einmal gesendet; Empfänger zählen sie einmal.',
    payouts: 'Offene Auszahlungen',
    payoutsEmpty: 'Keine Auszahlung ist offen.',
    account: 'Konto',
    amount: 'Betrag',
    state: 'Zustand',
    states: { pending: 'Wartet auf Stripe', transferred: 'Überwiesen, nicht ausgezahlt' },
    stuck: 'Seit mehr als zwei Tagen offen',
  },
};
