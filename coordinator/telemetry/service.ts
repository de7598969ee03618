import type { JsMsg } from '@nats-io/jetstream';
import { consumers, services } from '#bus-schemas';
import { endpoint } from '#coordinator/bus.ts';
import type { Component } from '#coordinator/component.ts';
import type { Context } from '#coordinator/context.ts';
import { FactMarker } from '#coordinator/fact-markers/fact-marker.ts';
import { counter, histogram } from '#observability';
import { AvailabilityWatch, forgetAvailability, readAvailability } from './availability.ts';
import { FactReader } from './fact-reader.ts';
import { type Fact, factOf } from './facts.ts';
import { receiveFaultReports } from './fault-reports.ts';
import { addGenerations, forgetOld, generationOf, readStats } from './generations.ts';
import { LabelValues } from './label-values.ts';
import { RecentLosses } from './lost-facts.ts';

const FORGET_EVERY_MS = 6 * 3_600_000;
const MICROSECONDS = 1_000_000;
/** Each model adds about 20 time series to the metrics. */
const MAX_MODEL_LABELS = 1_000;

/**
 * Keeps a row for each job that ended, counts facts for Prometheus, and checks once a minute which
 * models can be served. No request waits for it.
 */
export async function startTelemetry({
  bus,
  database,
  log,
  metrics,
  now,
}: Context): Promise<Component> {
  const jobs = counter(metrics, 'dinf_jobs_total');
  const tokens = counter(metrics, 'dinf_delivered_tokens_total');
  const attempts = counter(metrics, 'dinf_attempts_failed_total');
  const violations = counter(metrics, 'dinf_violations_total');
  const faults = counter(metrics, 'dinf_machine_faults_total');
  const rejected = counter(metrics, 'dinf_telemetry_rejected_reports_total');
  const firstContent = histogram(metrics, 'dinf_first_content_seconds');
  const lost = counter(metrics, 'dinf_telemetry_facts_lost_total');

  const losses = new RecentLosses();

  const models = new LabelValues(MAX_MODEL_LABELS);
  const count = (fact: Fact) => {
    switch (fact.kind) {
      case 'ended': {
        const { result, deliveredTokens, timing } = fact.value;
        const model = models.of(fact.value.model);
        jobs.inc({ model, result });
        tokens.inc({ model }, deliveredTokens);
        if (timing.firstContentUs !== undefined)
          firstContent.observe({ model }, timing.firstContentUs / MICROSECONDS);
        return;
      }
      case 'attempt':
        return attempts.inc({ failure: fact.value.failure });
      case 'violation':
        return violations.inc({ violation: fact.value.violation });
      case 'faults':
        for (const { fault, times } of fact.value.faults) faults.inc({ kind: fault }, times);
        return;
    }
  };
  const storeEnded = async (facts: readonly Fact[]): Promise<void> => {
    const ended = facts.flatMap((fact) => (fact.kind === 'ended' ? [fact.value] : []));
    const added = ended.length === 0 ? new Set<string>() : await addGenerations(database, ended);
    // A job whose row already exists was counted by the process that wrote the row.
    for (const fact of facts)
      if (fact.kind === 'ended' && added.delete(fact.value.job)) count(fact);
  };
  const factsOf = (messages: readonly JsMsg[]): Fact[] =>
    messages.map(factOf).filter((fact) => fact !== undefined);
  const reader = (consumer: (typeof consumers)['telemetryJobs' | 'telemetryViolations']) =>
    new FactReader({
      bus,
      consumer,
      log,
      onLost: (facts) => {
        lost.inc({ stream: consumer.stream }, facts);
        losses.add(consumer.stream, facts, now());
      },
      store: async (messages) => {
        const facts = factsOf(messages);
        await storeEnded(facts);
        for (const fact of facts) if (fact.kind !== 'ended') count(fact);
      },
    });
  await using stack = new AsyncDisposableStack();
  stack.use(reader(consumers.telemetryJobs));
  stack.use(reader(consumers.telemetryViolations));
  const reports = receiveFaultReports({ bus, rejected, now });
  stack.defer(() => reports.unsubscribe());
  stack.use(
    new FactMarker({
      bus,
      database,
      log,
      consumer: consumers.telemetryJobs,
      store: (lost) => storeEnded(factsOf(lost)),
    }),
  );
  stack.use(new AvailabilityWatch({ bus, database, log, now }));
  stack.use(
    await bus.serve('telemetry', [
      endpoint(services.telemetry.generation, async (request) => {
        const generation = await generationOf(database, request);
        return { ...(generation && { generation }) };
      }),
      endpoint(services.telemetry.stats, () => readStats(database, now())),
      endpoint(services.telemetry.availability, () => readAvailability(database, now())),
      endpoint(services.telemetry.losses, () => ({ streams: losses.recent(now()) })),
    ]),
  );
  const forget = setInterval(() => {
    Promise.all([forgetOld(database), forgetAvailability(database, now())]).catch(
      (error: unknown) =>
        log.warn(
          { err: error },
          'generations older than 90 days could not be deleted; telemetry tries again in six hours',
        ),
    );
  }, FORGET_EVERY_MS);
  stack.defer(() => clearInterval(forget));
  const running = stack.move();
  return { name: 'telemetry', [Symbol.asyncDispose]: () => running.disposeAsync() };
}
