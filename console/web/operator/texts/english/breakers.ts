/** Texts of breakers, cooling and cells. */
export const operatorBreakersTexts = {
  breakers: {
    title: 'Breakers and cells',
    intro: 'What is closed now, since when and why, and who can open it.',
    machines: 'Machines without requests because of their faults',
    noMachines: 'No machine is paused or cooling',
    machinesAct:
      'Nothing has to be done for one machine: routing tries it again by itself. If many are listed, look for what they share: a version, a model, a hub.',
    state: 'State',
    states: { paused: 'Paused', tried: 'Tried with one request', cooling: 'Cooling' },
    pauses: (count: number) => (count === 1 ? '1 pause in a row' : `${count} pauses in a row`),
    refusals: (count: number) =>
      count === 1 ? '1 refusal in a row' : `${count} refusals in a row`,
    because: 'Because',
    since: 'Since',
    until: 'Until',
    act: 'Who can act',
    acts: {
      paused: 'Its owner: the log of the machine has the reason',
      tried: 'A completed request ends it',
      cooling: 'It ends by itself',
    },
    causes: {
      no_answer: 'It did not answer an order',
      first_content_late: 'Its first content came too late',
      disconnected: 'Its connection ended during an answer',
      stalled: 'An answer stopped',
      unopenable_frame: 'A part of an answer could not be decrypted',
      engine_error: 'Its engine failed',
      out_of_memory: 'The memory of its computer was almost full',
      protocol_violation: 'It broke the protocol',
      queue_full: 'It refused: its queue was full',
      token_budget_exhausted: 'It refused: too little memory was left',
      model_not_loaded: 'It refused: the model was not loaded',
      unsealable: 'It could not open the request',
      deadline_unreachable: 'It refused: it would have answered too late',
      unknown_job: 'It had lost the request',
    },
    cells: 'Cells',
    cellStates: { serves: 'Serves', draining: 'Draining', gone: 'Gone' },
    cellActs: {
      serves: () => '–',
      draining: (cell: string) => `An operator: dinf routing undrain ${cell}`,
      gone: () => 'An operator: start a router of this cell',
    },
    cellsAct: 'The machines of a cell that is gone or drained belong to the other cells.',
  },
} as const;
