/** English texts of the models. */
export const modelsTexts = {
  models: {
    title: 'Models',
    intro:
      'What the network offers, what it costs, and how many machines could serve it at this moment.',
    emptyTitle: 'No models yet',
    empty: 'An operator adds models to the catalog with dinf models put.',
    search: 'Find a model',
    noMatch: 'No model has this name.',
    name: 'Model',
    features: 'Features',
    context: 'Context',
    output: 'Longest answer',
    priceIn: 'Input',
    priceCached: 'Cached input',
    priceOut: 'Output',
    perMillion: 'Prices are in US dollars for a million tokens.',
    alsoNamed: (names: string) => `also ${names}`,
    machines: 'Machines',
    speed: 'Speed',
    firstContent: 'First content',
    firstContentTitle:
      'Time from the request to the first content, of the answers of 24 hours: the median, and the time within which 95 % of them began',
    within: (time: string) => `p95 ${time}`,
    speedTitle:
      'Tokens a second of one answer, of the answers of 24 hours: the median, and the speed that 95 % of them reached; for a quiet model the average of 30 days',
    atLeast: (speed: string) => `p95 ${speed}`,
    tokensPerSecond: (count: string) => `${count} tok/s`,
    noSpeed: '–',
    serve: 'ready',
    noMachines: 'None now',
    warm: (warm: number, all: number) => `${all} able to serve, ${warm} with the model in memory`,
    queued: (count: number) => `${count} waiting`,
    featureNames: { tools: 'Tools', vision: 'Images', reasoning: 'Reasoning' } as Readonly<
      Record<string, string>
    >,
    noFeatures: 'Text',
    beta: 'Beta',
    deprecated: (date: string) => `Ends ${date}`,
    tokens: (count: string) => `${count} tokens`,
    tryIt: 'Chat',
    tryName: (name: string) => `Chat with ${name}`,
    noPrice: 'No price',
    asked: (machines: number) => `Asked by ${machines} machines below the listed price`,
  },
} as const;
