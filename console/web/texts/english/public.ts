/** English texts of the pages that everybody may read. */
export const publicTexts = {
  public: {
    nav: 'Public pages',
    signIn: 'Sign in',
    account: 'Your account',
  },
  status: {
    title: 'Status',
    intro:
      'What this network can serve at this moment, and how often it could. Each model is checked once a minute.',
    allServe: 'Every model can be served now',
    someServe: (serving: number, all: number) => `${serving} of ${all} models can be served now`,
    noneServe: 'No model can be served now',
    emptyTitle: 'No models yet',
    empty: 'This network offers no model at the moment.',
    historyTitle: 'The last 30 days',
    historyUnknown: 'The history cannot be read at the moment.',
    now: { serves: 'Can be served', fails: 'No machine now' },
    share: (percent: string) => `${percent} % of the checks`,
    noChecks: 'Not checked yet',
    day: (date: string, served: string, checks: string) =>
      `${date} (UTC): a machine was ready at ${served} of ${checks} checks`,
    dayUnchecked: (date: string) => `${date} (UTC): no checks`,
    daysAgo: '30 days ago',
    today: 'Today',
    legend: { full: 'Always', most: 'At least 95 %', less: 'Less', none: 'No checks' },
    totalsTitle: 'The network in numbers',
    requestsDay: 'Requests in 24 hours',
    requestsMonth: 'Requests in 30 days',
    tokensMonth: 'Answer tokens in 30 days',
    machines: 'Machines connected',
    machinesSimulated: (count: string) => `${count} of them are simulated.`,
    rounded:
      'Requests and tokens are rounded to two digits, and fewer than ten requests are shown as 0.',
    demandTitle: 'Demand by model',
    demandEmpty: 'Fewer than ten requests for each model in 30 days.',
    model: 'Model',
    share30: 'Share of tokens',
    requests: 'Requests',
    tokens: 'Answer tokens',
    perDay: (count: string) => `${count} in 24 hours`,
    leaderboardTitle: 'Leaderboard of machines',
    leaderboardText:
      'Only machines whose owners show them, by the answer tokens of paid requests in the last 30 days. Counts are rounded, and a machine appears after ten requests.',
    leaderboardEmpty:
      'No machine is shown yet. Owners can show theirs in the details of the machine, under Machines.',
    place: 'Place',
    machine: 'Machine',
  },
  log: {
    title: 'Transparency log',
    intro:
      'Every release that machines may run, every machine with its level, and every model with its builds stand in a log that is only ever extended. Its head signs all entries at once.',
    headTitle: 'The present head',
    entries: 'Entries',
    signedAt: 'Signed',
    root: 'Root hash',
    key: 'Key',
    signature: 'Signature',
    checkTitle: 'Check it in this browser',
    checkText:
      'Your browser verifies the signature, and that this log extends the one that it saw before. It stores the head for the next time.',
    check: 'Check the log',
    checking: 'Checking…',
    good: (entries: string) =>
      `The head of ${entries} entries is signed with its key, and this browser has seen no other log of this network.`,
    extends: (before: string, entries: string) =>
      `The head of ${entries} entries is signed with its key, and extends the ${before} entries that this browser saw before.`,
    bad: (reason: string) => `The check failed. ${reason}`,
    toolsTitle: 'Check it without this page',
    toolsText:
      'The page comes from the network itself. These calls need no key, so a program of your own can compare what they return with what others see.',
    headCommand: 'The head',
    entriesCommand: 'The entries',
    proofCommand: 'The proof that the log was only extended',
    proxyText:
      'The proxy on your own computer checks the log before each request, and refuses a log that does not extend the last one:',
  },
  getStarted: {
    title: 'Get started',
    intro: 'Three ways to use d-inference. None of them needs administrator rights.',
    useTitle: 'Use the models of this network',
    useText:
      'Sign in, create an API key, and give it to any program that speaks the API of OpenAI, Anthropic or Ollama. The address is:',
    useNext: 'Sign in to create a key',
    privateTitle: 'Keep what you ask from the network',
    privateText:
      'The proxy runs on your own computer, and seals each request for one machine that it has checked.',
    serveTitle: 'Serve models with your computer',
    serveText:
      'A Mac with an Apple chip is the usual machine; Linux works too. What it earns is yours.',
    serveByHand:
      'This network has no installer. Its operator gives you the package; install it, then run:',
    serveNext: 'After it is installed, link it to your account:',
    digests: 'The installer with its digest',
    ownTitle: 'Run a network of your own',
    ownText:
      'The program contains all parts. In its folder, this starts a network on one machine and prints a link to its console:',
  },
} as const;
