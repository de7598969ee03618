import type { Routes } from '../api/routes.ts';
import { money } from '../format/money.ts';
import { groupedDigits, megabytes } from '../format/numbers.ts';
import { dayInUtc, hoursAndMinutes } from '../format/time.ts';
import { t } from '../texts.ts';

type Policies = Routes['GET /v1/rewards/policy']['answer'];
type Policy = NonNullable<Policies['policy']>;

/** What a machine must do for the base reward of a day, and from when on that changes. */
export function RewardConditions({ policies: { policy, next } }: { policies: Policies }) {
  const shown = policy ?? next?.policy;
  return (
    <>
      {shown && (
        <p class="hint">
          {t.rewards.intro} {conditionsOf(shown)}
        </p>
      )}
      {next && <p>{changeOf(policy, next)}</p>}
    </>
  );
}

function conditionsOf(policy: Policy): string {
  const { models, memory_mb: memoryMb, requests, age_days: days } = policy;
  return [
    t.rewards.offer(money(policy.amount_micro_usd), hoursAndMinutes(policy.ready_minutes)),
    t.rewards.level[policy.trust_level],
    requests > 0 ? t.rewards.requests(groupedDigits(requests)) : '',
    models === null ? '' : t.rewards.ofModels(models.join(', ')),
    days > 0 ? t.rewards.age(groupedDigits(days)) : '',
    memoryMb === null ? '' : t.rewards.memory(megabytes(memoryMb)),
    t.rewards.limits(
      groupedDigits(policy.machines_per_account),
      money(policy.day_budget_micro_usd),
    ),
  ]
    .filter((sentence) => sentence !== '')
    .join(' ');
}

function changeOf(policy: Policy | null, next: NonNullable<Policies['next']>): string {
  const day = dayInUtc(next.starts_on);
  if (next.policy === null) return t.rewards.ends(day);
  return policy === null ? t.rewards.begins(day) : t.rewards.changes(day);
}
