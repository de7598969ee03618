/** English texts of the overview. */
export const overviewTexts = {
  overview: {
    title: 'Overview',
    actionsTitle: 'What needs you',
    nothingToDo: 'Nothing needs you at the moment.',
    balance: 'Available',
    held: (amount: string) => `${amount} more is set aside for requests that run now`,
    promotional: (amount: string) => `${amount} of it is promotional credit`,
    balanceNote: 'Money that the next requests can spend',
    spentDay: 'Spent today',
    spentWeek: 'Spent this week',
    spentMonth: 'Spent this month',
    spentNote:
      'With what is set aside for running requests. Days, weeks and months are those of UTC.',
    recent: 'Recent requests',
    recentEmptyTitle: 'No requests yet',
    recentEmpty: 'Send the first one from the chat, or from your own program.',
    tryChat: 'Open the chat',
    tryQuickStart: 'Show the code',
  },
  actions: {
    owed: (amount: string) =>
      `You owe ${amount} for payments that were taken back. Until it is paid, requests are refused.`,
    noMoney: 'Your balance is empty, so requests are refused.',
    lowMoney: (amount: string) => `Your balance is low: ${amount}.`,
    noKey: 'Create an API key, so that your programs can send requests.',
    createKey: 'Create a key',
    keyExpires: (name: string, when: string) => `The key “${name}” expires ${when}.`,
    keyAtLimit: (name: string, window: string) =>
      `The key “${name}” has used up its ${window} limit, so its requests are refused.`,
    keyNearLimit: (name: string, window: string, percent: number) =>
      `The key “${name}” has used ${percent} % of its ${window} limit.`,
    showKeys: 'Show the keys',
    machineUntrusted: (name: string, reason: string) =>
      `The machine “${name}” is not trusted, so it gets no requests. ${reason}`.trimEnd(),
  },
} as const;
