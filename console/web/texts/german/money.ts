import type { moneyTexts as english } from '../english/money.ts';
import type { Translation } from '../translation.ts';

/** German texts of the balance and the statement. */
export const germanMoneyTexts: Translation<typeof english> = {
  money: {
    title: 'Geld',
    paid: 'Danke. Die Einzahlung erscheint im Auszug, sobald Stripe sie bestätigt hat.',
    held: 'Zurückgelegt',
    promotional: 'Geschenktes Guthaben',
    withdrawable: 'Auszahlbar',
    owed: 'Geschuldet',
    addTitle: 'Guthaben kaufen',
    addText: 'Stripe nimmt die Zahlung an. Das Netzwerk erfährt die Nummer Ihrer Karte nie.',
    amount: 'Betrag',
    add: 'Guthaben kaufen',
    addAmount: (amount) => `${amount} kaufen`,
    inviteTitle: 'Einladung einlösen',
    inviteText:
      'Eine Einladung bringt geschenktes Guthaben. Es wird zuerst ausgegeben und kann nicht ausgezahlt werden.',
    inviteCode: 'Code der Einladung',
    redeem: 'Einlösen',
    credited: (amount) => `${amount} wurden gutgeschrieben.`,
    statement: 'Auszug',
    print: 'Drucken oder als PDF sichern',
    statementOf: (network) => `Auszug von ${network}`,
    account: (id) => `Konto ${id}`,
    between: (from, until) => `Von ${from} bis ${until}`,
    sumIn: 'Erhalten',
    sumOut: 'Ausgegeben und ausgezahlt',
    sumAll: 'Änderung des Guthabens',
    hourly: 'Einnahmen werden stundenweise summiert und erscheinen, wenn die Stunde vorbei ist.',
    tooLong: (most) =>
      `Der Auszug hat mehr als ${most} Einträge. Wählen Sie einen kürzeren Zeitraum, oder exportieren Sie ihn als CSV.`,
    kind: 'Eintrag',
    reference: 'Referenz',
    emptyTitle: 'Keine Einträge',
    empty: 'Nichts hat Ihr Guthaben in diesem Zeitraum geändert.',
    kinds: {
      charge: 'Anfrage',
      earning: 'Verdient',
      credit: 'Gutschrift',
      deposit: 'Einzahlung',
      withdrawal: 'Auszahlung',
      withdrawal_fee: 'Gebühr einer Auszahlung',
      withdrawal_returned: 'Auszahlung zurückgekommen',
      withdrawal_fee_returned: 'Gebühr zurückgekommen',
      payment_reversed: 'Zahlung zurückgenommen',
      payment_restored: 'Zahlung wiederhergestellt',
      debt_paid: 'Schuld beglichen',
      reward: 'Prämie',
    },
  },
};
