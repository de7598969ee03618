/** Texts of the audit log. */
export const operatorAuditTexts = {
  audit: {
    title: 'Audit log',
    intro: 'Every change by operators, by people in the console and by commands, newest first.',
    empty: 'No change has been made.',
    time: 'Time',
    who: 'Who',
    action: 'Action',
    subject: 'Subject',
    detail: 'Details',
    outcome: 'Outcome',
    outcomes: { begun: 'Begun', done: 'Done' },
  },
} as const;
