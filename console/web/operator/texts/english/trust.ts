/** Texts of releases and the transparency log. */
export const operatorTrustTexts = {
  trust: {
    title: 'Releases and log',
    log: 'Transparency log',
    entries: 'Entries',
    signed: 'Signed',
    root: 'Root hash',
    key: 'Key',
    witnesses:
      'Everybody can be a witness: a program that stores each head, checks that it extends the last one, and compares it with others. The network keeps no list of witnesses.',
    releases: 'Releases that machines may run',
    empty: 'No release.',
    version: 'Version',
    code: 'Code',
    added: 'Added',
    state: 'State',
    active: 'Active',
    withdrawn: (when: string) => `Withdrawn ${when}`,
    how: 'Releases are withdrawn with “dinf release withdraw”, because this stops machines.',
  },
} as const;
