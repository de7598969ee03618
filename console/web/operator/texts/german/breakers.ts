import type { Translation } from '../../../texts/translation.ts';
import type { operatorBreakersTexts as english } from '../english/breakers.ts';

/** German texts of breakers, cooling and cells. */
export const germanOperatorBreakersTexts: Translation<typeof english> = {
  breakers: {
    title: 'Sicherungen und Zellen',
    intro: 'Was zurzeit geschlossen ist, seit wann und warum, und wer es öffnen kann.',
    machines: 'Maschinen, die wegen ihrer Fehler keine Anfragen bekommen',
    noMachines: 'Keine Maschine pausiert oder kühlt ab',
    machinesAct:
      'Für eine einzelne Maschine ist nichts zu tun: Die Verteilung versucht sie von selbst wieder. Sind viele aufgeführt, suchen Sie, was sie gemeinsam haben: eine Version, ein Modell, einen Hub.',
    state: 'Zustand',
    states: { paused: 'Pausiert', tried: 'Mit einer Anfrage versucht', cooling: 'Kühlt ab' },
    pauses: (count) => (count === 1 ? '1 Pause' : `${count} Pausen in Folge`),
    refusals: (count) => (count === 1 ? '1 Ablehnung' : `${count} Ablehnungen in Folge`),
    because: 'Grund',
    since: 'Seit',
    until: 'Bis',
    act: 'Wer etwas tun kann',
    acts: {
      paused: 'Ihr Besitzer: Der Grund steht im Protokoll der Maschine',
      tried: 'Eine gelungene Anfrage beendet es',
      cooling: 'Es endet von selbst',
    },
    causes: {
      no_answer: 'Sie hat auf einen Auftrag nicht geantwortet',
      first_content_late: 'Ihr erster Inhalt kam zu spät',
      disconnected: 'Ihre Verbindung endete während einer Antwort',
      stalled: 'Eine Antwort blieb stehen',
      unopenable_frame: 'Ein Teil einer Antwort ließ sich nicht entschlüsseln',
      engine_error: 'Ihre Engine ist gescheitert',
      out_of_memory: 'Der Speicher ihres Computers war fast voll',
      protocol_violation: 'Sie hat das Protokoll verletzt',
      queue_full: 'Sie hat abgelehnt: Ihre Warteschlange war voll',
      token_budget_exhausted: 'Sie hat abgelehnt: Es war zu wenig Speicher übrig',
      model_not_loaded: 'Sie hat abgelehnt: Das Modell war nicht geladen',
      unsealable: 'Sie konnte die Anfrage nicht öffnen',
      deadline_unreachable: 'Sie hat abgelehnt: Sie hätte zu spät geantwortet',
      unknown_job: 'Sie hatte die Anfrage verloren',
      cannot_continue: 'Sie konnte die Antwort einer anderen Maschine nicht fortsetzen',
    },
    cells: 'Zellen',
    cellStates: { serves: 'In Betrieb', draining: 'Wird geleert', gone: 'Weg' },
    cellActs: {
      serves: () => '–',
      draining: (cell) => `Ein Betreiber: dinf routing undrain ${cell}`,
      gone: () => 'Ein Betreiber: einen Router dieser Zelle starten',
    },
    cellsAct:
      'Die Maschinen einer Zelle, die weg ist oder geleert wird, gehören den anderen Zellen.',
  },
};
