import type { ComponentChildren } from 'preact';
import { call } from '../api/call.ts';
import { groupedDigits } from '../format/numbers.ts';
import { Dialog } from '../parts/dialog.tsx';
import { FactList } from '../parts/fact-list.tsx';
import { At, Money } from '../parts/figures.tsx';
import { Loaded } from '../parts/loaded.tsx';
import { useResource } from '../state/resource.ts';
import { t } from '../texts.ts';
import { ReceiptCheck } from './receipt-check.tsx';
import { type Generation, RequestTimeline } from './request-timeline.tsx';
import { RoutingReason } from './routing-reason.tsx';

/** One request: when, where and how it was answered, and its receipt. */
export function RequestDetails({ job, close }: { job: string; close: () => void }) {
  const generation = useResource(
    `generation/${job}`,
    async () => (await call('GET /v1/generation', { query: { id: job } })).data,
  );
  return (
    <Dialog title={t.details.title} close={close}>
      <p class="quiet">
        <code>{job}</code>
      </p>
      <Loaded of={generation} lines={6}>
        {(value) => (
          <>
            <RequestTimeline generation={value} />
            <RoutingReason generation={value} />
            <Facts generation={value} />
          </>
        )}
      </Loaded>
      <ReceiptCheck job={job} />
    </Dialog>
  );
}

function Facts({ generation }: { generation: Generation }) {
  const { provider, status, attempts, build, cost_micro_usd: cost } = generation;
  const facts: readonly (readonly [string, ComponentChildren])[] = [
    [t.details.received, <At key="at" time={generation.created_at} />],
    [t.details.status, t.details.statuses[status]],
    [t.requests.model, generation.model],
    [t.details.build, build ?? t.details.unknown],
    [t.requests.tokens, tokensOf(generation)],
    [t.requests.cost, cost === null ? t.chat.costUnknown : <Money key="cost" micro={cost} />],
    [t.details.attempts, attempts === null ? t.details.unknown : groupedDigits(attempts)],
    [
      t.details.machine,
      provider.id === null ? t.details.noMachine : <code key="id">{provider.id}</code>,
    ],
    [t.details.trust, t.chat.levels[provider.trust_level] ?? provider.trust_level],
  ];
  return <FactList facts={facts} />;
}

function tokensOf({ tokens_prompt, tokens_cached, tokens_completion }: Generation): string {
  const prompt = tokens_prompt === null ? t.details.unknown : groupedDigits(tokens_prompt);
  const cached = tokens_cached ? ` (${t.details.cached(groupedDigits(tokens_cached))})` : '';
  return `${prompt}${cached} → ${groupedDigits(tokens_completion)}`;
}
