/** Texts of the frame around the operators' pages, and of parts that several pages have. */
export const operatorFrameTexts = {
  product: 'Operators',
  nav: {
    fleet: 'Fleet',
    routing: 'Routing',
    money: 'Money',
    people: 'People',
    models: 'Models',
    trust: 'Releases and log',
    bus: 'Hubs and streams',
    audit: 'Audit log',
  },
  signIn: {
    title: 'Sign in as operator',
    text: 'An operator key opens these pages. It is sent once, and this browser gets a cookie that no script can read. The command “dinf operator-key NAME” makes a key.',
    key: 'Operator key',
    submit: 'Sign in',
    expired: 'Your session has ended. Sign in again to continue.',
  },
  signedInAs: 'Operator',
  signOut: 'Sign out',
  rows: (from: string, until: string, all: string) => `${from}–${until} of ${all}`,
  pages: 'Pages of the table',
  find: 'Find',
  noMatch: 'No row contains this text.',
  none: 'None',
  actions: 'Actions',
} as const;
