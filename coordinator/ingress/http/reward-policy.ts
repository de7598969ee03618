import { ModelName, type RewardPolicy, TrustLevel } from '#bus-schemas';
import { type Static, Type } from '#bus-schemas/type.ts';
import { MicroUsd, orNull, strict } from './api.ts';

/** The policy of base rewards as the API shows it and as operators send it. */

const Amount = Type.Integer({
  minimum: 1,
  maximum: 1_000_000_000_000,
  description: 'Millionths of a US dollar.',
});

export const PolicyFields = Type.Object(
  {
    amount_micro_usd: Amount,
    day_budget_micro_usd: Amount,
    machines_per_account: Type.Integer({
      minimum: 1,
      maximum: 1_000,
      description: 'Machines of one account that get a reward for the same day.',
    }),
    ready_minutes: Type.Integer({
      minimum: 0,
      maximum: 1_440,
      description: 'Minutes of the day in which the machine must be ready, serving or idle.',
    }),
    trust_level: Type.Enum([...TrustLevel.enum], {
      description: 'The least trust level that it must have in these minutes.',
    }),
    requests: Type.Integer({
      minimum: 0,
      maximum: 1_000_000,
      description: 'Answers to other accounts that it must give, paid with money.',
    }),
    age_days: Type.Integer({
      minimum: 0,
      maximum: 3_650,
      description: 'Days since the machine was linked.',
    }),
    models: orNull(
      Type.Array(ModelName, {
        minItems: 1,
        maxItems: 64,
        description: 'Only answers of these models count as `requests`; null: of all models.',
      }),
    ),
    memory_mb: orNull(
      Type.Integer({
        minimum: 1,
        maximum: 4_000_000,
        description: 'A machine that reports less memory gets nothing; null: any memory.',
      }),
    ),
  },
  strict,
);
type PolicyFields = Static<typeof PolicyFields>;

const NextPolicy = Type.Object(
  { starts_on: Type.String(), policy: orNull(PolicyFields) },
  { description: 'The change that is decided and not valid yet.' },
);

/** The present policy and the next one. */
export const POLICIES = { policy: orNull(PolicyFields), next: orNull(NextPolicy) };

export const DecidedDay = Type.Object({
  day: Type.String(),
  machines: Type.Integer(),
  rewarded: Type.Integer(),
  amount_micro_usd: MicroUsd,
});

export const policiesOf = ({
  policy,
  next,
}: {
  readonly policy?: RewardPolicy;
  readonly next?: { readonly startsOn: string; readonly policy?: RewardPolicy };
}) => ({
  policy: policy === undefined ? null : fieldsOf(policy),
  next:
    next === undefined
      ? null
      : {
          starts_on: next.startsOn,
          policy: next.policy === undefined ? null : fieldsOf(next.policy),
        },
});

const fieldsOf = (policy: RewardPolicy): PolicyFields => ({
  amount_micro_usd: policy.amountMicroUsd,
  day_budget_micro_usd: policy.dayBudgetMicroUsd,
  machines_per_account: policy.ownerMachines,
  ready_minutes: policy.readyMinutes,
  trust_level: policy.level,
  requests: policy.requests,
  age_days: policy.ageDays,
  models: policy.models ?? null,
  memory_mb: policy.memoryMb ?? null,
});

export const policyFrom = (fields: PolicyFields): RewardPolicy => ({
  amountMicroUsd: fields.amount_micro_usd,
  dayBudgetMicroUsd: fields.day_budget_micro_usd,
  ownerMachines: fields.machines_per_account,
  readyMinutes: fields.ready_minutes,
  level: fields.trust_level,
  requests: fields.requests,
  ageDays: fields.age_days,
  ...(fields.models !== null && { models: fields.models }),
  ...(fields.memory_mb !== null && { memoryMb: fields.memory_mb }),
});
