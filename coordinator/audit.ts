import { randomToken, type ServiceMethod, services } from '#bus-schemas';

/** Calls a method of a component and returns its reply. */
type Ask = <Request, Reply>(
  method: ServiceMethod<Request, Reply>,
  request: Request,
) => Promise<Reply>;

export interface Change {
  /**
   * Name of an operator, account of a person, or `cli:` with the user and host that ran a command.
   */
  readonly actor: string;
  readonly action: string;
  /** The changed thing, for example a key or a machine. */
  readonly subject: string;
  /** Details for operators. It must not contain a secret, because all operators can read it. */
  readonly detail: object;
}

const ID_LENGTH = 20;
const MAX_ACTOR = 120;
const MAX_SUBJECT = 256;
const MAX_DETAIL = 16_000;

/**
 * Makes a change and writes it to the audit log: before the change with the outcome `begun`, and
 * afterwards with its real outcome. If the first row cannot be written, the change is not made.
 * `outcomeOf` returns the outcome for a reply or for an error that the change threw.
 */
export async function audited<Reply>(
  ask: Ask,
  { actor, action, subject, detail }: Change,
  work: Work<Reply>,
): Promise<Reply> {
  const row = {
    id: `audit_${randomToken(ID_LENGTH)}`,
    operator: actor.slice(0, MAX_ACTOR),
    action,
    subject: subject.slice(0, MAX_SUBJECT),
    detail: JSON.stringify(detail).slice(0, MAX_DETAIL),
  };
  await ask(services.accounts.audit, { ...row, outcome: 'begun' });
  // If the outcome cannot be written after the change, the row keeps `begun` and the caller still
  // gets the reply.
  const record = (outcome: string) =>
    ask(services.accounts.audit, { ...row, outcome }).catch(() => undefined);
  try {
    const reply = await work.run();
    await record(work.outcomeOf({ reply }));
    return reply;
  } catch (error) {
    await record(work.outcomeOf({ error }));
    throw error;
  }
}

interface Work<Reply> {
  readonly run: () => Promise<Reply>;
  readonly outcomeOf: (end: { readonly reply: Reply } | { readonly error: unknown }) => string;
}
