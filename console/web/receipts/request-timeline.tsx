import type { ComponentChildren } from 'preact';
import type { Routes } from '../api/routes.ts';
import { groupedDigits } from '../format/numbers.ts';
import { duration } from '../format/time.ts';
import { Money } from '../parts/figures.tsx';
import { t } from '../texts.ts';

export type Generation = Routes['GET /v1/generation']['answer']['data'];

interface Step {
  readonly name: ComponentChildren;
  /** Milliseconds after the request was received; null for the settlement, which follows later. */
  readonly after: number | null;
}

/** The life of a request: a bar for the answer, and a line for each step that is known. */
export function RequestTimeline({ generation }: { generation: Generation }) {
  const { latency, generation_time: writing } = generation;
  return (
    <figure class="timeline" aria-label={t.details.timeline}>
      {latency !== null && writing !== null && <Bar waited={latency} wrote={writing} />}
      <ol class="steps-of-request">
        {stepsOf(generation).map(({ name, after }, index) => (
          <li key={index}>
            <span>{name}</span>
            {after !== null && <span class="number quiet">+ {duration(after)}</span>}
          </li>
        ))}
      </ol>
    </figure>
  );
}

function Bar({ waited, wrote }: { waited: number; wrote: number }) {
  const share = waited + wrote === 0 ? 0 : (100 * waited) / (waited + wrote);
  return (
    <svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
      <rect class="timeline-wait" width={share} height="4" />
      <rect class="timeline-answer" x={share} width={100 - share} height="4" />
    </svg>
  );
}

function stepsOf({
  routing,
  latency,
  generation_time: writing,
  tokens_completion: tokens,
  cost_micro_usd: cost,
}: Generation): Step[] {
  const steps: Step[] = [{ name: t.details.received, after: 0 }];
  if (routing?.chosen_after != null)
    steps.push({ name: t.details.chosen(routing.able_machines), after: routing.chosen_after });
  if (routing?.held_after != null)
    steps.push({ name: t.details.heldStep, after: routing.held_after });
  if (latency !== null) steps.push({ name: t.details.firstContent, after: latency });
  if (latency !== null && writing !== null)
    steps.push({ name: t.details.lastToken(groupedDigits(tokens)), after: latency + writing });
  if (cost !== null)
    steps.push({
      name: (
        <>
          {t.details.settled} <Money micro={cost} />
        </>
      ),
      after: null,
    });
  return steps;
}
