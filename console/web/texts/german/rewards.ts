import type { rewardTexts as english } from '../english/rewards.ts';
import type { Translation } from '../translation.ts';

/** German texts of the base rewards of machines. */
export const germanRewardTexts: Translation<typeof english> = {
  rewards: {
    title: 'Grundvergütung und Aktionen',
    intro:
      'Das Netz zahlt Maschinen für jeden Tag, an dem sie bereit waren, zusätzlich zu ihren Einnahmen.',
    offer: (amount, hours) =>
      `${amount} für eine Maschine und einen Tag, an dem sie ${hours} bereit war.`,
    level: {
      none: '',
      self_signed: 'In dieser Zeit muss ihr Nachweis gültig sein.',
      hardware: 'In dieser Zeit muss sie ihre Hardware nachweisen.',
    },
    requests: (count) => `Sie muss ${count} Anfragen anderer Konten beantworten, die zahlen.`,
    ofModels: (models) => `Sie müssen diesen Modellen gelten: ${models}.`,
    age: (days) => `Sie muss ${days} Tage vorher verbunden worden sein.`,
    memory: (memory) => `Sie muss ${memory} Arbeitsspeicher haben.`,
    limits: (machines, budget) =>
      `Höchstens ${machines} Maschinen eines Kontos und ${budget} für alle Maschinen eines Tages.`,
    promotion: (name, amount, models, days) =>
      `${name}: ${amount} mehr für eine Million Antwort-Tokens von ${models}, ${days}.`,
    promoted: (name, tokens) => `${name}, ${tokens} Tokens`,
    changes: (day) => `Ab ${day} ändern sich diese Bedingungen.`,
    ends: (day) => `Die Grundvergütung endet am ${day}.`,
    begins: (day) => `Die Grundvergütung beginnt am ${day}.`,
    day: 'Tag (UTC)',
    machine: 'Maschine',
    what: 'Wofür',
    ready: (time) => `${time} bereit`,
    amount: 'Vergütung',
    because: 'Warum nichts oder weniger',
    isDue: 'unterwegs',
    emptyTitle: 'Noch kein Tag ist entschieden',
    empty:
      'Ein Tag Ihrer Maschinen erscheint hier bald nach seinem Ende, auch wenn er nichts bringt.',
    reasons: {
      hours: (has, needs) => `${has} von ${needs} bereit, die nötig sind.`,
      hardware_trust: (has, needs) => `${has} von ${needs} mit nachgewiesener Hardware bereit.`,
      signed_trust: (has, needs) => `${has} von ${needs} mit gültigem Nachweis bereit.`,
      age: (has, needs) => `${has} Tage vorher verbunden; nötig sind ${needs}.`,
      memory: (has, needs) => `Sie meldet ${has} Arbeitsspeicher; nötig sind ${needs}.`,
      requests: (has, needs) => `${has} von ${needs} bezahlten Anfragen beantwortet.`,
      model_requests: (has, needs) => `${has} von ${needs} Anfragen für diese Modelle beantwortet.`,
      same_computer: () => 'Eine andere Maschine läuft auf demselben Computer.',
      excluded: () => 'Entfernt, nicht vertrauenswürdig, oder das Konto ist gesperrt.',
      no_owner: () => 'Sie gehört keinem Konto.',
      owner_limit: (_has, needs) => `${needs} Ihrer Maschinen haben sie schon bekommen.`,
      budget: () =>
        'Das Budget des Tages wurde für Maschinen ausgegeben, die länger gearbeitet haben.',
      fund: () => 'Der Topf des Netzes für Vergütungen war leer.',
      unpaid: () => 'Die Antworten wurden mit Guthaben aus Aktionen bezahlt.',
      too_few_tokens: () => 'Die Antworten hatten zu wenige Tokens.',
      customer_limit: () => 'Ein Kunde brachte mehr, als für einen Tag zählt.',
      owner_amount: () => 'Ihre Maschinen haben das Höchste für einen Tag bekommen.',
      promotion_cap: () => 'Die Aktion hat alles gezahlt, was sie zahlen darf.',
    },
  },
};
