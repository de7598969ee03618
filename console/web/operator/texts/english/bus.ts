/** Texts of hubs and streams. */
export const operatorBusTexts = {
  bus: {
    title: 'Hubs and streams',
    hubs: 'Hubs',
    hub: 'Hub',
    version: 'nats-server',
    started: 'Started',
    connections: 'Components and tools',
    leaves: 'Machines',
    slow: 'Slow consumers',
    memory: 'Memory',
    hubsEmpty: 'No hub has answered.',
    streams: 'Streams',
    stream: 'Stream',
    messages: 'Messages',
    size: 'Size',
    sizeOf: (size: string, maximum: string) => `${size} of ${maximum}`,
    readers: 'Readers',
    upToDate: 'Up to date',
    behind: (reader: string, waiting: string, open: string) =>
      `${reader}: ${waiting} waiting, ${open} not acknowledged`,
    noReaders: 'No durable reader',
  },
} as const;
