import type { Translation } from '../../../texts/translation.ts';
import type { operatorBusTexts as english } from '../english/bus.ts';

/** German texts of hubs and streams. */
export const germanOperatorBusTexts: Translation<typeof english> = {
  bus: {
    title: 'Hubs und Streams',
    hubs: 'Hubs',
    hub: 'Hub',
    version: 'nats-server',
    started: 'Gestartet',
    connections: 'Komponenten und Werkzeuge',
    leaves: 'Maschinen',
    slow: 'Zu langsame Leser',
    memory: 'Speicher',
    hubsEmpty: 'Kein Hub hat geantwortet.',
    streams: 'Streams',
    stream: 'Stream',
    messages: 'Meldungen',
    size: 'Größe',
    sizeOf: (size, maximum) => `${size} von ${maximum}`,
    copies: 'Kopien',
    oneCopy: (hub) => `Eine Kopie, bei ${hub}`,
    noLeader: 'kein Hub schreibt ihn zurzeit',
    allCurrent: (hub, copies) => `${hub} schreibt; ${copies} weitere Kopien sind vollständig`,
    lags: (hub, count) => `${hub} fehlen ${count} Meldungen`,
    failing: (time, error) => `Nichts gespeichert seit ${time}: ${error}`,
    readers: 'Leser',
    upToDate: 'Auf dem neuesten Stand',
    behind: (reader, waiting, open) => `${reader}: ${waiting} warten, ${open} nicht bestätigt`,
    noReaders: 'Kein ständiger Leser',
  },
};
