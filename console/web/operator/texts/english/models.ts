/** Texts of models, aliases and rollouts. */
export const operatorModelsTexts = {
  models: {
    title: 'Models, aliases and rollouts',
    emptyTitle: 'No models',
    empty: 'Add one with dinf models put.',
    model: 'Model',
    intro: 'The first build of a model is the preferred one.',
    builds: 'Builds',
    price: 'Input / output per million',
    state: 'State',
    offered: 'Offered',
    beta: 'Beta test',
    deprecated: (when: string) => `Deprecated since ${when}`,
    shed: (when: string, reason: string) => `Paused until ${when}: ${reason}`,
    alias: (names: string) => `also ${names}`,
    pause: 'Pause',
    pauseTitle: (name: string) => `Refuse requests for ${name}?`,
    pauseText: 'Callers get 429 with this reason for one hour. Running requests are finished.',
    reason: 'Reason that callers read',
    unpause: 'End the pause',
    unpauseTitle: (name: string) => `Accept requests for ${name} again?`,
    unpauseText: 'Callers are served at once.',
    revert: 'Revert',
    revertTitle: (name: string) => `Prefer the earlier build of ${name}?`,
    revertText: (build: string) =>
      `${build} becomes the preferred build again. The present one stays as an alternative.`,
  },
} as const;
