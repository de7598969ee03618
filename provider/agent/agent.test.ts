import type { NatsConnection } from '@nats-io/nats-core';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  Ack,
  type Announcement,
  Cancel,
  Capacity,
  type CountedFaults,
  connectToServer,
  FaultReport,
  Flow,
  FrameContent,
  Hello,
  InferenceRequest,
  JobOrder,
  type JobSeals,
  type MessageKind,
  Nkey,
  newIngressId,
  newJobId,
  newP256Key,
  Out,
  p256Signer,
  providerSubjects,
  Receipts,
  RelaySenders,
  SUITE_ID,
} from '#bus-schemas';
import type { NatsNode } from '#network';
import { createSimulatedEngine, type SimulatedEngine, simulatedAnswer } from '#simulator';
import { startBareHub } from '#testcontainers';
import { type Agent, startAgent } from './agent.ts';
import type { Identity } from './attester.ts';

const chat = { messages: [{ role: 'user', content: 'Hello' }], max_tokens: 12 };
const BUILD = 'sim-llama-8b-q4';

const identity: Identity = {
  provider: `A${'B'.repeat(55)}`,
  busKey: Nkey.create('user'),
  signer: p256Signer(newP256Key()),
  keyStore: 'software',
  codeHash: new Uint8Array(32),
  posture: async () => ({
    systemIntegrity: 'unknown',
    secureBoot: 'unknown',
    authenticatedRoot: 'unknown',
    debuggersDenied: 'unknown',
  }),
};

const TOKEN_MS = 5;

let hub: NatsNode;
let ingress: NatsConnection;
let engine: SimulatedEngine;
let agent: Agent;
let agentConnection: NatsConnection;
const received: { subject: string; data: Uint8Array }[] = [];
/** The reports of faults that the owner saw. */
const reported: CountedFaults[] = [];

beforeAll(async () => {
  hub = await startBareHub();
  ingress = await connectToServer({ servers: hub.clientUrl });
  ingress.subscribe('up.>', {
    callback: (_error, { subject, data }) => void received.push({ subject, data }),
  });
  await ingress.flush();
  agentConnection = await connectToServer({ servers: hub.clientUrl });
  engine = createSimulatedEngine({
    chip: 'm4-max',
    tokenMs: TOKEN_MS,
    endless: true,
    maxConcurrency: 2,
  });
  agent = await startAgent({
    connection: agentConnection,
    engine,
    identity,
    log: pino({ level: 'silent' }),
    observer: {
      judged: () => undefined,
      answered: () => undefined,
      demanded: () => undefined,
      desired: () => undefined,
      reported: (faults) => void reported.push(faults),
    },
  });
});
afterAll(async () => {
  await agent[Symbol.asyncDispose]();
  await agentConnection.close();
  await ingress.close();
  await hub[Symbol.asyncDispose]();
});
beforeEach(() => {
  agent.setDraining(false);
});

const sendDown = <T>(kind: MessageKind<T>, to: 'job' | 'flow' | 'cancel' | 'ack', value: T) =>
  ingress.publish(providerSubjects.down(to), kind.encode(value));
const receivedOn = <T>(kind: MessageKind<T>, subject: string): T[] =>
  received.filter((message) => message.subject === subject).map(({ data }) => kind.decode(data));

interface Job {
  readonly id: string;
  readonly ingress: string;
  readonly seals: JobSeals;
  readonly order: JobOrder;
  outs(): Out[];
  text(): string;
}

/** Makes a job with the sealed order that an ingress would send for the request. */
async function makeJob(changes: Partial<JobOrder> = {}, request: object = { chat }): Promise<Job> {
  const hello = await vi.waitFor(() => {
    const [first] = receivedOn(Hello, 'up.hello');
    if (first === undefined) throw new Error('no hello yet');
    return first as Announcement;
  });
  const id = newJobId();
  const own = newIngressId();
  const seals = await new RelaySenders().sealFor({
    job: id,
    attempt: 1,
    recipient: hello.sealing.publicKey,
  });
  const plain = InferenceRequest.encode(request as InferenceRequest);
  const order: JobOrder = {
    job: id,
    attempt: 1,
    ingress: own,
    build: BUILD,
    suite: SUITE_ID,
    enc: seals.enc,
    firstContentMs: 9_000,
    promptTokens: 10,
    maxOutputTokens: 1_000,
    window: 64,
    part: 0,
    parts: 1,
    sealed: seals.sealRequest(0, plain),
    ...changes,
  };
  const outs = () => receivedOn(Out, providerSubjects.frames(own, id));
  const frames = () =>
    new Map(outs().flatMap((out) => (out.t === 'frame' ? [[out.seq, out.sealed] as const] : [])));
  return {
    id,
    ingress: own,
    seals,
    order,
    outs,
    text: () =>
      [...frames()]
        .toSorted(([a], [b]) => a - b)
        .flatMap(([seq, sealed]) => FrameContent.decode(seals.openResponse(seq, sealed)).events)
        .map((event) => (event.k === 'text' ? event.text : ''))
        .join(''),
  };
}

const refusal = (job: Job) =>
  vi.waitFor(() => {
    const refused = job.outs().find((out) => out.t === 'refuse');
    if (refused?.t !== 'refuse') throw new Error('not refused yet');
    return refused.reason;
  });
const endOf = (job: Job) =>
  vi.waitFor(
    () =>
      expect(
        receivedOn(Receipts, 'up.receipt')
          .flatMap(({ receipts }) => receipts)
          .find((receipt) => receipt.job === job.id),
      ).toBeDefined(),
    { timeout: 5_000 },
  );

describe('a job', () => {
  test('is answered by sealed frames to the last byte; its receipt comes until it is acknowledged', async () => {
    const job = await makeJob();
    sendDown(JobOrder, 'job', job.order);
    await endOf(job);
    await vi.waitFor(() => expect(job.text()).toBe(simulatedAnswer(chat, { endless: true }).text));
    const count = () =>
      receivedOn(Receipts, 'up.receipt').filter(({ receipts }) =>
        receipts.some((receipt) => receipt.job === job.id),
      ).length;
    await vi.waitFor(() => expect(count()).toBeGreaterThan(1), { timeout: 5_000 });
    sendDown(Ack, 'ack', { receipts: [{ job: job.id, attempt: 1 }] });
    await agentConnection.flush();
  });

  test('ordered twice is done once', async () => {
    const before = engine.tokensMade;
    const job = await makeJob();
    sendDown(JobOrder, 'job', job.order);
    sendDown(JobOrder, 'job', job.order);
    await endOf(job);
    sendDown(JobOrder, 'job', job.order);
    sendDown(JobOrder, 'job', job.order);
    await vi.waitFor(() =>
      expect(job.outs().filter(({ t }) => t === 'accept').length).toBeGreaterThan(0),
    );
    expect(engine.tokensMade - before).toBe(chat.max_tokens);
  });

  test('that comes in parts, in any order, is joined and answered', async () => {
    const long = { chat: { ...chat, messages: [{ role: 'user', content: 'x'.repeat(5_000) }] } };
    const job = await makeJob({ attempt: 2 }, long);
    const plain = InferenceRequest.encode(long);
    const cut = 2_000;
    const seals = await new RelaySenders().sealFor({
      job: job.id,
      attempt: 2,
      recipient: (receivedOn(Hello, 'up.hello')[0] as Announcement).sealing.publicKey,
    });
    const pieces = [plain.subarray(0, cut), plain.subarray(cut)];
    const parts = pieces.map((piece, part) => ({
      ...job.order,
      enc: seals.enc,
      parts: 2,
      part,
      sealed: seals.sealRequest(part, piece),
    }));
    sendDown(JobOrder, 'job', parts[1] as JobOrder);
    sendDown(JobOrder, 'job', parts[1] as JobOrder);
    sendDown(JobOrder, 'job', parts[0] as JobOrder);
    await endOf(job);
  });

  test('is cancelled within the tokens of 250 ms and still gets a receipt', async () => {
    const job = await makeJob({}, { chat: { ...chat, max_tokens: 1_000 } });
    sendDown(JobOrder, 'job', job.order);
    await vi.waitFor(() => expect(engine.running).toBe(1));
    const made = engine.tokensMade;
    sendDown(Cancel, 'cancel', { job: job.id, attempt: 1, reason: 'client_gone' });
    await vi.waitFor(() => expect(engine.running).toBe(0), { interval: 1 });
    expect(engine.tokensMade - made).toBeLessThan(250 / TOKEN_MS);
    await endOf(job);
  });

  test('pauses its engine while its ingress is silent, continues at the next report, and returns the newest proof of delivery', async () => {
    const job = await makeJob(
      { window: 100_000, maxOutputTokens: 100_000 },
      { chat: { ...chat, max_tokens: 100_000 } },
    );
    const report = (tokens: number) => {
      const delivered = { tokens, proof: new Uint8Array(16) };
      const progress = {
        job: job.id,
        attempt: 1,
        received: 0,
        window: 100_000,
        resend: false,
        delivered,
      };
      sendDown(Flow, 'flow', { ingress: job.ingress, jobs: [progress] });
      return tokens;
    };
    sendDown(JobOrder, 'job', job.order);
    await vi.waitFor(() => expect(engine.running).toBe(1));
    // No token is made for 300 ms, in which a running engine makes sixty.
    let made = 0;
    const grows = () => {
      const before = made;
      made = engine.tokensMade;
      return made > before;
    };
    await expect.poll(grows, { interval: 300, timeout: 6_000 }).toBe(false);
    const newest = report(7);
    report(5);
    await vi.waitFor(() => expect(engine.tokensMade).toBeGreaterThan(made + 20), {
      timeout: 5_000,
    });
    sendDown(Cancel, 'cancel', { job: job.id, attempt: 1, reason: 'client_gone' });
    await endOf(job);
    const receipts = receivedOn(Receipts, 'up.receipt').flatMap((message) => message.receipts);
    expect(receipts.find((receipt) => receipt.job === job.id)).toMatchObject({
      finish: 'cancelled',
      delivered: { tokens: newest },
    });
  });

  test('that is cancelled before its order arrives is never started', async () => {
    const before = engine.tokensMade;
    const job = await makeJob();
    sendDown(Cancel, 'cancel', { job: job.id, attempt: 1, reason: 'superseded' });
    sendDown(JobOrder, 'job', job.order);
    await vi.waitFor(() => expect(job.outs().length).toBeGreaterThan(0));
    expect(engine.tokensMade).toBe(before);
  });
});

describe('an order that cannot be fulfilled is refused with a reason', () => {
  test.each<[string, Partial<JobOrder>, string]>([
    ['for a build that is not loaded', { build: 'gpt-99' }, 'model_not_loaded'],
    ['larger than the context', { promptTokens: 9_000_000 }, 'request_exceeds_context'],
    ['with an unknown suite', { suite: 'rot13' }, 'unsupported_suite'],
    ['sealed for another key', { enc: new Uint8Array(32).fill(7) }, 'unsealable'],
    ['with bytes that cannot be decrypted', { sealed: new Uint8Array(100) }, 'unsealable'],
    ['with a part that does not exist', { part: 3, parts: 2 }, 'invalid_request'],
  ])('%s', async (_, changes, reason) => {
    const job = await makeJob(changes);
    sendDown(JobOrder, 'job', job.order);
    expect(await refusal(job)).toBe(reason);
  });

  test('with content that is not a request', async () => {
    const job = await makeJob();
    const seals = await new RelaySenders().sealFor({
      job: job.id,
      attempt: 2,
      recipient: (receivedOn(Hello, 'up.hello')[0] as Announcement).sealing.publicKey,
    });
    sendDown(JobOrder, 'job', {
      ...job.order,
      attempt: 2,
      enc: seals.enc,
      sealed: seals.sealRequest(0, Uint8Array.of(1, 2, 3)),
    });
    expect(await refusal(job)).toBe('invalid_request');
  });

  test('whose sealed request names another build', async () => {
    const job = await makeJob({}, { chat, build: 'another-build' });
    sendDown(JobOrder, 'job', job.order);
    expect(await refusal(job)).toBe('invalid_request');
  });

  test('while draining, and the reason is announced until it opens again', async () => {
    agent.setDraining(true, 'schedule');
    const job = await makeJob();
    sendDown(JobOrder, 'job', job.order);
    expect(await refusal(job)).toBe('draining');
    const announced = () => {
      const { draining, closedFor } = receivedOn(Capacity, 'up.capacity').at(-1) ?? {};
      return [draining, closedFor];
    };
    await vi.waitFor(() => expect(announced()).toEqual([true, 'schedule']));
    agent.setDraining(false);
    await vi.waitFor(() => expect(announced()).toEqual([false, undefined]));
  });

  test('when every place is taken', async () => {
    const running = await Promise.all(
      [1, 2].map(() => makeJob({}, { chat: { ...chat, max_tokens: 1_000 } })),
    );
    for (const job of running) sendDown(JobOrder, 'job', job.order);
    await vi.waitFor(() => expect(engine.running).toBe(2));
    const job = await makeJob();
    sendDown(JobOrder, 'job', job.order);
    expect(await refusal(job)).toBe('queue_full');
    for (const { id } of running)
      sendDown(Cancel, 'cancel', { job: id, attempt: 1, reason: 'client_gone' });
    await vi.waitFor(() => expect(engine.running).toBe(0));
  });

  test('when it is hot and a smaller number of places is taken, which it announces', async () => {
    agent.setStreamShare(0.5);
    agent.setConditions({ thermal: 'serious' });
    await vi.waitFor(() => {
      const { conditions, slots } = receivedOn(Capacity, 'up.capacity').at(-1) ?? {};
      expect(conditions).toEqual({ thermal: 'serious' });
      expect(slots?.[0]?.maxConcurrency).toBe(1);
    });
    const running = await makeJob({}, { chat: { ...chat, max_tokens: 1_000 } });
    sendDown(JobOrder, 'job', running.order);
    await vi.waitFor(() => expect(engine.running).toBe(1));
    const job = await makeJob();
    sendDown(JobOrder, 'job', job.order);
    expect(await refusal(job)).toBe('queue_full');
    agent.setStreamShare(1);
    const later = await makeJob({}, { chat: { ...chat, max_tokens: 1_000 } });
    sendDown(JobOrder, 'job', later.order);
    await vi.waitFor(() => expect(engine.running).toBe(2));
    for (const { id } of [running, later])
      sendDown(Cancel, 'cancel', { job: id, attempt: 1, reason: 'client_gone' });
    await vi.waitFor(() => expect(engine.running).toBe(0));
  });
});

test('a report on an unknown job is answered with unknown_job', async () => {
  const job = await makeJob();
  sendDown(Flow, 'flow', {
    ingress: job.ingress,
    jobs: [{ job: job.id, attempt: 1, received: 5, window: 69, resend: false }],
  });
  expect(await refusal(job)).toBe('unknown_job');
});

test('messages that cannot be decoded or have an unknown subject do not stop the provider', async () => {
  for (const to of ['job', 'flow', 'cancel', 'ack', 'unknown-subject']) {
    for (const bytes of [
      new Uint8Array(),
      Uint8Array.of(0xc1),
      Uint8Array.of(0x81, 0xa1, 0x76, 0x01),
    ])
      ingress.publish(`down.${to}`, bytes);
  }
  const job = await makeJob();
  sendDown(JobOrder, 'job', job.order);
  await endOf(job);
  // The messages of four subjects were unreadable, three of each; unknown subjects are ignored.
  await vi.waitFor(() => {
    const faults = receivedOn(FaultReport, 'up.faults').flatMap((report) => report.faults);
    expect(faults[0]?.fault).toBe('protocol_error');
    expect(reported.at(-1)).toEqual(receivedOn(FaultReport, 'up.faults').at(-1)?.faults);
  });
});
