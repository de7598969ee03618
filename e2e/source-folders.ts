/** The top-level folders with source code, except this one. */
export const SOURCE_FOLDERS = [
  'bin',
  'bus-schemas',
  'cli',
  'client',
  'coordinator',
  'http-api',
  'native',
  'network',
  'packaging',
  'provider',
  'simulator',
  'testcontainers',
  'tiny-model',
] as const;
