/** English texts of the machines of a person, and of the pages that add one. */
export const machinesTexts = {
  machines: {
    title: 'Machines',
    add: 'Set up a machine',
    emptyTitle: 'No machines yet',
    empty: 'A Mac that is idle can serve models for others, and free of charge for you.',
    removed: 'Removed',
    untrusted: 'Not trusted',
    offline: 'Not connected. Run dinf provider status on the machine.',
    pending: 'Its identity and code are being checked.',
    lapsed: 'Its last proof is too old. It gets requests again after the next one.',
    running: (count: number) => (count === 1 ? 'Answers 1 request' : `Answers ${count} requests`),
    ready: (count: number) =>
      count === 1
        ? 'Ready: 1 model waits for requests'
        : `Ready: ${count} models wait for requests`,
    noModels: 'It offers no model at the moment.',
    earnedToday: 'Earned today (UTC)',
    chip: 'Chip',
    trust: 'Trust',
    standings: {
      pending: 'Pending',
      verified: 'Verified',
      lapsed: 'Lapsed',
      untrusted: 'Not trusted',
    },
    linked: 'Linked',
    record: 'Record',
    answers: (done: string, failed: string) => `${done} answers, ${failed} failed by its fault`,
    models: (count: number) => (count === 1 ? '1 model' : `${count} models`),
    remove: 'Remove',
    removeTitle: (name: string) => `Remove “${name}”?`,
    removeText:
      'It gets no more requests and cannot come back with its present keys. What it earned stays yours.',
    removeAction: 'Remove machine',
  },
  link: {
    title: 'Link a machine',
    intro:
      'A machine wants to serve models in your name: what it earns will be yours. Approve it only if the machine in front of you shows this very code.',
    code: 'Code that the machine shows',
    codeHint: 'Eight letters, such as WDJB-MJHT',
    approve: 'Approve',
    deny: 'Deny',
    approved: 'The machine is approved. It connects within some seconds.',
    denied: 'The machine was denied.',
    toMachines: 'Show your machines',
  },
  setUp: {
    title: 'Set up a machine',
    intro:
      'A Mac with an Apple chip is the usual machine; Linux works too. It needs no administrator rights.',
    installTitle: 'Install the program on the machine',
    installText: 'This downloads the program of this network into your own folder.',
    installByHand: 'This network has no installer. Its operator gives you the package; then run:',
    startTitle: 'Start it, and approve its code',
    startText: 'Choose a model that fits into the memory of the machine.',
    codeText: 'The command shows a code. Enter it here:',
    checkTitle: 'Watch it come up',
    waiting: 'This list changes by itself as soon as a new machine is linked.',
    found: (name: string) => `The new machine is “${name}”.`,
    open: {
      linked: 'Not linked yet',
      online: 'Not connected yet',
      verified: 'Identity and code not checked yet',
      serves: 'Not ready for requests yet',
    },
    done: {
      linked: 'Linked to your account',
      online: 'Connected',
      verified: 'Identity and code checked',
      serves: 'Ready for requests',
    },
  },
} as const;
