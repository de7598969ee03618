import type { earningsTexts as english } from '../english/earnings.ts';
import type { Translation } from '../translation.ts';

/** German texts of the earnings and withdrawals. */
export const germanEarningsTexts: Translation<typeof english> = {
  earnings: {
    title: 'Einnahmen',
    intro:
      'Was Ihre Maschinen und Empfehlungen verdient haben. Sie können es auszahlen lassen oder für Anfragen ausgeben.',
    maturing: 'Später auszahlbar',
    spend: 'Verdientes Geld bezahlt auch Ihre eigenen Anfragen.',
    bySource: 'Nach Quelle',
    source: 'Quelle',
    sources: {
      referrals: 'Empfehlungen',
      referral: 'Empfehlungen',
      rewards: 'Grundvergütung und Aktionen',
    },
    jobs: 'Anfragen',
    earned: 'Verdient',
    emptyTitle: 'In diesem Zeitraum nichts verdient',
    empty:
      'Eine Maschine verdient, wenn sie Anfragen anderer beantwortet. Ihre eigenen Anfragen sind kostenlos.',
    withdraw: 'Auszahlen',
    withdrawAmount: (amount) => `${amount} auszahlen`,
    onboardText: 'Vor der ersten Auszahlung fragt Stripe, wohin das Geld gehen soll.',
    onboard: 'Ziel festlegen',
    instant: 'Sofort',
    instantHint: 'Kommt binnen Minuten an und kostet eine Gebühr.',
    connection: 'Ihr Konto bei Stripe',
    connected: 'Stripe zahlt Sie aus',
    incomplete: (missing) =>
      missing
        ? `Stripe braucht noch etwas, bevor es auszahlt: ${missing}`
        : 'Stripe braucht noch etwas, bevor es auszahlt',
    country: 'Land',
    destination: 'Auszahlungen gehen an',
    endsIn: (name, last4) => `${name} ···· ${last4}`,
    dashboard: 'Ihr Konto bei Stripe öffnen, auch um das Ziel zu ändern',
    disconnect: 'Stripe trennen',
    disconnectTitle: 'Ihr Konto bei Stripe trennen?',
    disconnectText:
      'Stripe löscht das Konto mit seinem Ziel. Ihr Guthaben bleibt, und Sie können vor der nächsten Auszahlung wieder ein Ziel festlegen.',
    youGet: 'Sie bekommen',
    arrives: {
      within_minutes: 'binnen Minuten',
      within_days: 'meist binnen zwei Werktagen',
    },
    withdrawals: 'Auszahlungen',
    fee: 'Gebühr',
    returned: 'Zurück im Guthaben',
    states: { pending: 'Unterwegs', paid: 'Ausgezahlt', failed: 'Fehlgeschlagen' },
  },
  comparable: {
    title: 'Was vergleichbare Maschinen verdient haben',
    text: 'Median der letzten sieben Tage über die Maschinen, die mit dem Modell verdient haben. Er ist nicht bekannt, wenn es weniger als drei Maschinen von drei Besitzern waren.',
    model: 'Modell',
    all: 'Alle Maschinen',
    otherChips: 'Andere Chips',
    machines: (count) => `${count} Maschinen`,
    notKnown: 'Nicht bekannt',
  },
};
