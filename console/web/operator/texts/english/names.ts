/** Texts of the names that machines have on the public leaderboard. */
export const operatorNamesTexts = {
  names: {
    title: 'Public names',
    intro: 'Names that owners have given their machines for the public leaderboard.',
    empty: 'No machine shows a name.',
    name: 'Name',
    withdraw: 'Withdraw',
    withdrawName: (name: string) => `Withdraw the name ${name}`,
    withdrawTitle: (name: string) => `Withdraw the name “${name}”?`,
    withdrawText:
      'The machine keeps working and leaves the leaderboard within a minute. No machine can take this name again, and the machines of its owner can take no other one until you allow it.',
    withdrawn: 'Withdrawn names',
    comparedAs: 'Name, as names are compared',
    allow: 'Allow names again',
    allowTitle: 'Let the owner of this machine take names again?',
    allowText: 'The withdrawn name can then be taken again, too.',
  },
} as const;
