import { afterEach, expect, test } from 'vitest';
import { ask, createBatch, drainable, ended, line, results } from '../batches-under-test.ts';
import { startComponentProcess } from '../component-process.ts';
import { startTestNetwork, type TestNetwork } from '../test-network.ts';

let network: TestNetwork;
afterEach(() => network[Symbol.asyncDispose]());

const LINES = 60;
/** Lines of a batch that one ingress runs at the same time. */
const PARALLEL_LINES = 8;

test('an ingress is killed while it runs a batch: another goes on, no line is lost or charged twice', {
  timeout: 300_000,
}, async () => {
  const config = { admin: { host: '127.0.0.1', port: 0 } };
  network = await startTestNetwork({ providers: 1, tokenMs: 30, maxConcurrency: 8, config });
  const openai = network.openai();
  const drain = await drainable(network);
  await drain(true);
  const child = await startComponentProcess(network, 'ingress');
  const names = Array.from({ length: LINES }, (_, index) => `${index}`);
  const { id } = await createBatch(
    openai,
    names.map((name) => line(name, ask(`Question ${name}`))),
  );
  const completed = async () => (await openai.batches.retrieve(id)).request_counts?.completed ?? 0;
  await expect.poll(completed, { timeout: 60_000, interval: 20 }).toBeGreaterThan(4);
  await child.kill();
  const stored = await completed();
  expect(stored).toBeLessThan(LINES);

  // The lease of the killed ingress ends after 30 seconds. If it was killed before it ordered jobs,
  // their places are free after a minute, and lines that found none wait up to half a minute more.
  await drain(false);
  const done = await ended(openai, id, 180_000);
  expect(done).toMatchObject({
    status: 'completed',
    error_file_id: null,
    request_counts: { total: LINES, completed: LINES, failed: 0 },
  });
  const answers = await results(openai, done.output_file_id);
  expect([...answers.keys()].toSorted()).toEqual(names.toSorted());
  const jobs = new Set([...answers.values()].map(({ response }) => response.request_id));
  const charged = async () =>
    (await network.chargesNow()).filter(({ chargedMicroUsd: cost }) => cost > 0);
  // A line whose ingress died after it stored the result and before it reported the job is free.
  // Other lines are charged once. The hold of a job that was not ordered yet ends later.
  await expect
    .poll(async () => (await charged()).length, { timeout: 20_000, interval: 100 })
    .toBeGreaterThanOrEqual(LINES - PARALLEL_LINES);
  const all = await charged();
  expect(all.filter(({ job }) => !jobs.has(job))).toEqual([]);
  expect(new Set(all.map(({ job }) => job)).size).toBe(all.length);
});
