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
    readers: 'Leser',
    upToDate: 'Auf dem neuesten Stand',
    behind: (reader, waiting, open) => `${reader}: ${waiting} warten, ${open} nicht bestätigt`,
    noReaders: 'Kein ständiger Leser',
  },
};
