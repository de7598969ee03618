import { hostname, userInfo } from 'node:os';
import { type ServiceMethod, services } from '#bus-schemas';
import { audited } from './audit.ts';
import { Bus } from './bus.ts';

/** Methods with which commands change something that people, machines or money depend on. */
const CHANGES: ReadonlySet<string> = new Set(
  [
    services.accounts.createSignInCode,
    services.accounts.createKey,
    services.accounts.revokeKey,
    services.accounts.findAccounts,
    services.accounts.suspendAccount,
    services.accounts.resumeAccount,
    services.accounts.setAccountLimits,
    services.accounts.createOperator,
    services.accounts.revokeOperator,
    services.catalog.putModel,
    services.catalog.dropModel,
    services.catalog.putAlias,
    services.catalog.dropAlias,
    services.catalog.shed,
    services.catalog.setBeta,
    services.catalog.deprecate,
    services.catalog.rollOut,
    services.catalog.revert,
    services.settlement.credit,
    services.settlement.reward,
    services.settlement.setRewardPolicy,
    services.settlement.fundRewards,
    services.settlement.addPromotion,
    services.settlement.endPromotion,
    services.settlement.setAccountCap,
    services.settlement.setKeyCaps,
    services.settlement.setTerms,
    services.settlement.setProviderPrice,
    services.settlement.replay,
    services.trust.createToken,
    services.trust.revoke,
    services.trust.drain,
    services.trust.pardon,
    services.trust.withdrawName,
    services.trust.allowName,
    services.trust.assignDevice,
    services.trust.accuse,
    services.trust.prove,
    services.releases.add,
    services.releases.withdraw,
    services.releases.restore,
    services.routing.drain,
    services.routing.setSwitch,
  ].map(({ subject }) => subject),
);
/** Fields that can name the changed thing, most specific first. */
const SUBJECT_FIELDS = [
  'key',
  'provider',
  'alias',
  'promotion',
  'name',
  'id',
  'model',
  'version',
  'account',
  'email',
] as const;

/**
 * The bus of the command line. It writes each change that a command makes to the audit log, with
 * the user and host that ran the command.
 */
export class AuditedBus extends Bus {
  override call<Request, Reply>(
    method: ServiceMethod<Request, Reply>,
    request: Request,
    options: { timeoutMs: number },
  ): Promise<Reply> {
    const action = [...CHANGES].find(
      (subject) => method.subject === subject || method.subject.startsWith(`${subject}.`),
    );
    if (action === undefined) return super.call(method, request, options);
    const change = {
      actor: `cli:${userInfo().username}@${hostname()}`,
      action: method.method,
      subject: subjectOf(request),
      detail: withoutBytes(request),
    };
    return audited((asked, row) => super.call(asked, row, options), change, {
      run: () => super.call(method, request, options),
      outcomeOf: (end) => ('reply' in end ? outcomeOf(end.reply) : 'failed'),
    });
  }
}

function subjectOf(request: unknown): string {
  const fields = request as Readonly<Record<string, unknown>>;
  const [name] = SUBJECT_FIELDS.flatMap((field) =>
    typeof fields[field] === 'string' ? [fields[field]] : [],
  );
  if (name !== undefined) return name;
  const { model } = fields as { readonly model?: { readonly id?: string } };
  return model?.id ?? '';
}

/** Removes hashes of keys and signatures, so that the log does not contain them. */
const withoutBytes = (request: unknown): object =>
  Object.fromEntries(
    Object.entries(request as object).filter(([, value]) => !(value instanceof Uint8Array)),
  );

function outcomeOf(reply: unknown): string {
  const { ok, code } = reply as { readonly ok?: boolean; readonly code?: string };
  return ok === false ? (code ?? 'failed') : 'done';
}
