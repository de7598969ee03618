/** English texts of the earnings and withdrawals. */
export const earningsTexts = {
  earnings: {
    title: 'Earnings',
    intro: 'What your machines and referrals earned. You can withdraw it, or spend it on requests.',
    maturing: 'Can be withdrawn later',
    spend: 'Earned money pays your own requests too.',
    bySource: 'By source',
    source: 'Source',
    sources: {
      referrals: 'Referrals',
      referral: 'Referrals',
      rewards: 'Base rewards and promotions',
    } as Readonly<Record<string, string>>,
    jobs: 'Requests',
    earned: 'Earned',
    emptyTitle: 'Nothing earned in this period',
    empty: 'A machine earns when it answers requests of others. Requests of your own are free.',
    withdraw: 'Withdraw',
    withdrawAmount: (amount: string) => `Withdraw ${amount}`,
    onboardText: 'Before the first withdrawal, Stripe asks where the money goes.',
    onboard: 'Set the destination',
    instant: 'Instant',
    instantHint: 'Arrives within minutes, and costs a fee.',
    connection: 'Your account at Stripe',
    connected: 'Stripe pays you',
    incomplete: (missing: string) =>
      missing ? `Stripe needs more before it pays: ${missing}` : 'Stripe needs more before it pays',
    country: 'Country',
    destination: 'Payouts go to',
    endsIn: (name: string, last4: string) => `${name} ···· ${last4}`,
    dashboard: 'Open your account at Stripe, also to change the destination',
    disconnect: 'Disconnect Stripe',
    disconnectTitle: 'Disconnect your account at Stripe?',
    disconnectText:
      'Stripe deletes the account, with its destination. Your balance stays, and you can set a destination again before the next withdrawal.',
    youGet: 'You get',
    arrives: {
      within_minutes: 'within minutes',
      within_days: 'usually within two business days',
    },
    withdrawals: 'Withdrawals',
    fee: 'Fee',
    returned: 'Returned to your balance',
    states: { pending: 'On its way', paid: 'Paid', failed: 'Failed' } as Readonly<
      Record<string, string>
    >,
  },
  comparable: {
    title: 'What comparable machines earned',
    text: 'Median of the last seven days, over the machines that earned from the model. It is not known if fewer than three machines of three owners did.',
    model: 'Model',
    all: 'All machines',
    otherChips: 'Other chips',
    machines: (count: string) => `${count} machines`,
    notKnown: 'Not known',
  },
} as const;
