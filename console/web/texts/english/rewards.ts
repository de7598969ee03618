/** `has` and `needs` are formatted already, with their units. */
type ReasonText = (has: string, needs: string) => string;

/** English texts of the base rewards of machines. */
export const rewardTexts = {
  rewards: {
    title: 'Base rewards and promotions',
    intro:
      'The network pays machines for each day on which they were ready, beside what they earn.',
    offer: (amount: string, hours: string) =>
      `${amount} for a machine and day that was ready for ${hours}.`,
    level: {
      none: '',
      self_signed: 'It must show a valid proof in this time.',
      hardware: 'It must prove its hardware in this time.',
    },
    requests: (count: string) => `It must answer ${count} requests of other accounts that pay.`,
    ofModels: (models: string) => `They must be for ${models}.`,
    age: (days: string) => `It must have been linked ${days} days before.`,
    memory: (memory: string) => `It must have ${memory} of memory.`,
    limits: (machines: string, budget: string) =>
      `At most ${machines} machines of an account, and ${budget} for all machines of a day.`,
    promotion: (name: string, amount: string, models: string, days: string) =>
      `${name}: ${amount} more for a million answer tokens of ${models}, ${days}.`,
    promoted: (name: string, tokens: string) => `${name}, ${tokens} tokens`,
    changes: (day: string) => `From ${day} on these conditions change.`,
    ends: (day: string) => `The rewards end on ${day}.`,
    begins: (day: string) => `The rewards begin on ${day}.`,
    day: 'Day (UTC)',
    machine: 'Machine',
    what: 'For',
    ready: (time: string) => `${time} ready`,
    amount: 'Reward',
    because: 'Why nothing, or less',
    isDue: 'on its way',
    emptyTitle: 'No day is decided yet',
    empty:
      'A day of your machines appears here soon after it has ended, also if it brings nothing.',
    reasons: {
      hours: (has, needs) => `Ready for ${has} of the ${needs} that it needs.`,
      hardware_trust: (has, needs) => `Ready with hardware trust for ${has} of ${needs}.`,
      signed_trust: (has, needs) => `Ready with a valid proof for ${has} of ${needs}.`,
      age: (has, needs) => `Linked ${has} days before; rewards begin after ${needs}.`,
      memory: (has, needs) => `It reports ${has} of memory and needs ${needs}.`,
      requests: (has, needs) => `Answered ${has} of ${needs} paid requests.`,
      model_requests: (has, needs) => `Answered ${has} of ${needs} requests for these models.`,
      same_computer: () => 'Another machine runs on the same computer.',
      excluded: () => 'Removed, not trusted, or the account is suspended.',
      no_owner: () => 'It belongs to no account.',
      owner_limit: (_has, needs) => `${needs} of your machines got it already.`,
      budget: () => 'The budget of the day was spent on machines that served more.',
      fund: () => 'The fund of the network for rewards was empty.',
      unpaid: () => 'The answers were paid with promotional credit.',
      too_few_tokens: () => 'The answers had too few tokens.',
      customer_limit: () => 'One customer brought more than counts for a day.',
      owner_amount: () => 'Your machines got the most for a day.',
      promotion_cap: () => 'The promotion has paid all that it may pay.',
    } as Readonly<Record<string, ReasonText>>,
  },
} as const;
