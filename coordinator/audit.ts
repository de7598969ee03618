import { randomToken, type ServiceMethod, services } from '#bus-schemas';

/** Asks a component and returns its reply. */
type Ask = <Request, Reply>(
  method: ServiceMethod<Request, Reply>,
  request: Request,
) => Promise<Reply>;

export interface Change {
  /**
   * The operator's name, a person's account, or `cli:` with the user and host that ran a command.
   */
  readonly actor: string;
  readonly action: string;
  /** The thing that is changed, for example a key or a machine. */
  readonly subject: string;
  /** Never a secret: operators read it. */
  readonly detail: object;
}

const ID_LENGTH = 20;
const MAX_ACTOR = 120;
const MAX_SUBJECT = 256;
const MAX_DETAIL = 16_000;

/**
 * Writes a change into the audit log before it is made, with the outcome `begun`, and its outcome
 * afterwards. A change that cannot be written
 * down is not made. `outcomeOf` reads the outcome of a reply, or of what the work threw.
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
  // The change may be made although its outcome cannot be written: the row then keeps `begun`, and
  // the caller still gets the reply.
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
