import type { Translation } from '../../../texts/translation.ts';
import type { operatorFleetTexts as english } from '../english/fleet.ts';

/** German texts of the fleet. */
export const germanOperatorFleetTexts: Translation<typeof english> = {
  fleet: {
    title: 'Flotte und Kapazität',
    machines: 'Maschinen',
    running: 'Laufende Antworten',
    queued: 'Wartende Anfragen',
    queueOf: (limit) => `von ${limit}`,
    free: 'Freie Plätze',
    builds: 'Kapazität nach Build',
    build: 'Build',
    warm: 'Im Speicher',
    speed: 'Tokens je Sekunde',
    cell: 'Zelle',
    state: 'Zustand',
    machine: 'Maschine',
    chip: 'Chip',
    simulated: 'simuliert',
    states: {
      resident: 'Im Speicher',
      loading: 'Wird geladen',
      cold: 'Nicht im Speicher',
      failed: 'Laden misslungen',
      silent: 'Meldet sich nicht',
      draining: 'Geht',
      paused: 'Angehalten',
    },
    emptyTitle: 'Keine Maschine ist verbunden',
    empty: 'Maschinen erscheinen hier, sobald die Verteilung sie annimmt.',
    drain: 'Leeren',
    drainTitle: 'Dieser Maschine keine neuen Anfragen geben?',
    drainText: (id) =>
      `${id} beendet, was sie hat. Das gilt, bis es aufgehoben wird, auch nach Neustarts.`,
    resume: 'Fortsetzen',
    resumeTitle: 'Dieser Maschine wieder Anfragen geben?',
    resumeText: (id) => `${id} bekommt Anfragen, sobald ihr Zustand es erlaubt.`,
    remove: 'Entfernen',
    removeTitle: 'Diese Maschine endgültig entfernen?',
    removeText: (id) => `${id} kann mit ihren jetzigen Schlüsseln nicht zurückkehren.`,
    of: (action, id) => `${action}: ${id}`,
  },
};
