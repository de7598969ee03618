import type { Translation } from '../../../texts/translation.ts';
import type { operatorRewardsTexts as english } from '../english/rewards.ts';

/** German texts of what the network pays to machines beside their answers. */
export const germanOperatorRewardsTexts: Translation<typeof english> = {
  rewards: {
    title: 'Vergütungen',
    fund: 'Topf',
    fundText:
      'Grundvergütung und Aktionen werden aus diesem Topf bezahlt. Ein Tag, für den er nicht reicht, wird nicht bezahlt.',
    has: 'Im Topf',
    due: 'Entschieden und nicht bezahlt',
    move: 'Geld bewegen',
    moveTitle: 'Geld zwischen Gebühren und Topf bewegen?',
    moveText: 'Der Betrag wird nur einmal bewegt, auch wenn dies noch einmal gesendet wird.',
    way: 'Richtung',
    ways: { in: 'Von den Gebühren in den Topf', back: 'Vom Topf zurück zu den Gebühren' },
    base: 'Grundvergütung',
    none: 'Das Netz zahlt keine Grundvergütung.',
    howToSet: 'Neue Bedingungen gelten ab dem nächsten Tag (UTC). Der Befehl dafür:',
    end: 'Vergütung beenden',
    endTitle: 'Ab morgen keine Grundvergütung mehr zahlen?',
    endText: 'Heute gelten noch die jetzigen Bedingungen.',
    days: 'Entschiedene Tage',
    day: 'Tag (UTC)',
    machines: 'Maschinen',
    rewarded: 'Vergütet',
    amount: 'Betrag',
    promotions: 'Aktionen',
    noPromotion: 'Es gibt keine Aktion.',
    howToPromote: 'Der Befehl für eine neue:',
    promotion: 'Aktion',
    period: 'Tage (UTC)',
    perMillion: 'Für eine Million Tokens',
    paid: 'Bezahlt',
    paidOf: (paid, cap) => `${paid} von ${cap}`,
    stop: 'Beenden',
    stopName: (name) => `${name} beenden`,
    stopTitle: (name) => `${name} heute beenden?`,
    stopText:
      'Sie zahlt für keinen späteren Tag. Eine Aktion, die noch nicht begonnen hat, wird entfernt.',
  },
};
