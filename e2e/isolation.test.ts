import type { NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { core, DOWN_KINDS, FrameGroup, Out, providerSubjects, UP_KINDS } from '#bus-schemas';
import { type Attacker, arrives, type Heard, honest, hostile, listen } from './attackers.ts';
import { readStream } from './read-stream.ts';
import { expectedText, startTestNetwork, type TestNetwork } from './test-network.ts';

/** Marks what must not pass, so that it is found wherever it got to. */
const ATTACK = 'ATTACK';
const SECRET = 'SECRET';
const CONTROL = 'CONTROL';
const ATTACKER = 0;
const VICTIM = 1;
const JETSTREAM_CALLS = [
  '$JS.API.INFO',
  '$JS.API.STREAM.LIST',
  '$JS.API.STREAM.INFO.JOBS',
  '$JS.API.STREAM.PURGE.JOBS',
  '$JS.API.STREAM.DELETE.JOBS',
];
const ORDERS = ['load', 'cancel', 'flow'] as const;
const messages = [{ role: 'user', content: 'Still there?' }];
const chat = (maxTokens: number) => ({ model: 'sim-llama-8b', messages, max_tokens: maxTokens });

let network: TestNetwork;
let core_: NatsConnection;
let atCore: Heard[] = [];
let victimHeard: Heard[] = [];
let attackerId: string;
let victimId: string;

beforeAll(async () => {
  network = await startTestNetwork({ providers: 3, tokenMs: 2 });
  core_ = network.network.coordinator.bus.connection;
  attackerId = String(network.providers[ATTACKER]?.id);
  victimId = String(network.providers[VICTIM]?.id);
  listen(core_, '>', (each) => atCore.push(each));
  listen(network.providers[VICTIM]?.connection as NatsConnection, '>', (each) =>
    victimHeard.push(each),
  );
  await core_.flush();
  // So that there is something to purge.
  expect(await readStream(network, chat(5))).toMatchObject({ status: 200, done: 1 });
  await network.expectMoneyBalances();
});
beforeEach(() => {
  atCore = [];
  victimHeard = [];
});
afterAll(async () => {
  await network.expectMoneyBalances();
  await network[Symbol.asyncDispose]();
});

const foreign = () => [
  '>',
  '*',
  '*.>',
  'up.>',
  `up.${victimId}.>`,
  'up.*.>',
  `down.${victimId}.>`,
  'down.*.>',
  `down.${victimId}.job`,
  'evt.>',
  'svc.>',
  '$SRV.>',
  '_INBOX.>',
  '_R_.>',
  '$JS.>',
  '$SYS.>',
  '$KV.>',
];

/** Everything that happens in the network and is not the attacker's. */
async function provokeSecrets(round: string): Promise<void> {
  const subjects = [
    core.down(victimId, 'load'),
    'evt.telemetry.violation',
    'svc.settlement.credit',
    '_INBOX.somebody.1',
    '$KV.x.y',
  ];
  for (const subject of subjects) core_.publish(subject, SECRET);
  network.providers[VICTIM]?.connection.publish('up.hello', `${SECRET} ${round}`);
  await arrives(() => atCore, `${SECRET} ${round}`, core.up(victimId, 'hello'));
  await core_.flush();
}

const jobsStream = async () => {
  const manager = await network.network.coordinator.bus.manager();
  return manager.streams.info('JOBS');
};

describe.each([
  ['through an honest leaf', honest],
  ['through a leaf that ignores every permission', hostile],
])("a provider's credentials, %s", (_name, become) => {
  let attacker: Attacker;
  beforeAll(async () => {
    attacker = await become(network, ATTACKER);
    attacker.subscribe('down.>');
    await attacker.settle();
  });
  afterAll(() => attacker[Symbol.dispose]());

  /**
   * Both ways work for what is its own: whatever else was not heard was stopped. Said after the
   * attack, it is heard after it.
   */
  async function expectOwnWordsPass(word: string): Promise<void> {
    const order = ORDERS[0];
    await vi.waitFor(() => {
      core_.publish(core.down(attackerId, order), `${CONTROL} ${word}`);
      expect(attacker.heard()).toContainEqual({
        subject: `down.${order}`,
        text: `${CONTROL} ${word}`,
      });
    });
    attacker.publish('up.beat', `${CONTROL} ${word}`);
    await arrives(() => atCore, `${CONTROL} ${word}`, core.up(attackerId, 'beat'));
  }

  test('hear nothing that is not their own, whatever they subscribe to', async () => {
    await expectOwnWordsPass('before listening');
    for (const subject of foreign()) {
      attacker.subscribe(subject);
      await attacker.settle();
      await provokeSecrets(subject);
    }
    await attacker.settle();
    await expectOwnWordsPass('after listening');
    expect(attacker.heard().filter(({ text }) => text.includes(SECRET))).toEqual([]);
    // What its own agent says is heard on its own machine; nothing but that and its orders may be.
    const own = new RegExp(
      `^(up\\.(${UP_KINDS.join('|')}|out\\..+)|down\\.(${DOWN_KINDS.join('|')}))$`,
    );
    expect(
      attacker
        .heard()
        .map(({ subject }) => subject)
        .filter((subject) => !own.test(subject)),
    ).toEqual([]);
  });

  test('speak as nobody else, and to nobody but the coordinator', async () => {
    await expectOwnWordsPass('before speaking');
    const before = await jobsStream();
    expect(before.state.messages).toBeGreaterThan(0);
    const others = [
      `up.${victimId}.beat`,
      `up.${victimId}.out.in_000000000000.job_0000000000000000000000`,
      `up.${victimId}.frames.in_000000000000`,
      `down.${victimId}.cancel`,
      `down.${victimId}.job`,
    ];
    const coordinators = [
      'evt.job.ended',
      'evt.trust.revoked',
      'svc.settlement.credit',
      'svc.trust.revoke',
      '_INBOX.somebody.1',
      '_R_.x.y',
    ];
    const servers = [
      '$SRV.PING',
      '$SYS.REQ.SERVER.PING',
      `$SYS.ACCOUNT.${victimId}.DISCONNECT`,
      '$KV.x.y',
      '$JS.ACK.JOBS.x.1.1.1.1.1',
      ...JETSTREAM_CALLS,
    ];
    for (const subject of [...others, ...coordinators, ...servers]) {
      attacker.publish(subject, ATTACK, 'up.reply');
      await attacker.settle();
    }
    // Bytes that were let in under another's name would stand here before this.
    await expectOwnWordsPass('after speaking');
    const escaped = atCore.filter(
      ({ subject, text }) => text.includes(ATTACK) && !subject.startsWith(`up.${attackerId}.`),
    );
    expect(escaped).toEqual([]);
    await vi.waitFor(() => {
      core_.publish(core.down(victimId, 'load'), `${CONTROL} victim`);
      expect(victimHeard).toContainEqual({ subject: 'down.load', text: `${CONTROL} victim` });
    });
    expect(victimHeard.filter(({ text }) => text.includes(ATTACK))).toEqual([]);
    const after = await jobsStream();
    expect([after.created, after.state.first_seq]).toEqual([
      before.created,
      before.state.first_seq,
    ]);
  });

  test('get no answer from JetStream, the system or a service', async () => {
    await expectOwnWordsPass('before asking');
    attacker.subscribe('_INBOX.mine.>');
    await attacker.settle();
    const questions = [
      ...JETSTREAM_CALLS,
      '$SYS.REQ.SERVER.PING',
      '$SYS.REQ.ACCOUNT.PING.CONNZ',
      '$SYS.REQ.USER.INFO',
      '$SRV.INFO',
      'svc.routing.fleet',
    ];
    for (const [index, subject] of questions.entries()) {
      // The second is where it may listen.
      for (const reply of [`_INBOX.mine.${index}`, `down.answer.${index}`]) {
        attacker.publish(subject, '', reply);
        await attacker.settle();
      }
    }
    await expectOwnWordsPass('after asking');
    const answers = attacker
      .heard()
      .filter(({ subject }) => /^(_INBOX\.mine|down\.answer)\./.test(subject));
    // A leaf's own server may answer about itself, or say that nobody is there: that is no answer
    // from beyond.
    const isFromBeyond = ({ text }: Heard) =>
      text !== '' && (text.includes('"name":"hub"') || !text.includes('"server":{'));
    expect(answers.filter(isFromBeyond)).toEqual([]);
  });

  test("frames forged for another provider's job reach no stream", async () => {
    let forged = 0;
    const frames = core_.subscribe('up.*.out.*.*', {
      callback: (_error, message) => {
        if (message.subject.startsWith(`up.${attackerId}.`)) return;
        const out = Out.decode(message.data);
        if (out.t !== 'frame') return;
        const subject = message.subject.split('.').toSpliced(1, 1).join('.');
        // Ahead of the true one, so that taking it would spoil the stream.
        const sealed = Buffer.from(out.sealed).map((byte) => byte ^ 1);
        attacker.publish(subject, Out.encode({ ...out, seq: out.seq + 1, sealed }));
        attacker.publish(
          subject,
          Out.encode({ t: 'refuse', attempt: out.attempt, reason: 'queue_full' }),
        );
        const [, , , ingress = '', job = ''] = message.subject.split('.');
        const frame = { ...out, job, seq: out.seq + 1, sealed };
        attacker.publish(
          providerSubjects.frameGroup(ingress),
          FrameGroup.encode({ frames: [frame] }),
        );
        forged += 1;
      },
    });
    // The honest one is in the fleet itself: somebody else's turn comes soon.
    for (let request = 0; request < 10 && forged === 0; request += 1) {
      expect(await readStream(network, chat(100))).toMatchObject({
        status: 200,
        text: expectedText(messages, 100),
        done: 1,
        errors: [],
      });
    }
    frames.unsubscribe();
    await attacker.settle();
    await expectOwnWordsPass('after frames');
    expect(forged).toBeGreaterThan(0);
    for (const kind of ['out', 'frames'])
      expect(
        atCore.filter(({ subject }) => subject.startsWith(`up.${attackerId}.${kind}.`)).length,
      ).toBeGreaterThanOrEqual(forged);
    await network.expectMoneyBalances();
    // Nobody is blamed for bytes that he did not send; that the secrets above were no messages is
    // not blame.
    const blamed = (await network.violations()).filter(
      ({ provider, violation }) => provider !== attackerId && violation !== 'malformed_message',
    );
    expect(blamed).toEqual([]);
  });

  test('flooding and nonsense cost the others nothing', async () => {
    for (let count = 0; count < 5_000; count += 1) attacker.publish('up.beat', `nonsense ${count}`);
    await attacker.settle();
    await arrives(() => atCore, 'nonsense 4999', core.up(attackerId, 'beat'));
    expect(await readStream(network, chat(5))).toMatchObject({
      status: 200,
      text: expectedText(messages, 5),
      done: 1,
    });
  });

  test('a message larger than any of ours goes nowhere', async () => {
    await expectOwnWordsPass('before the large one');
    const large = ATTACK.repeat(2 * 1024 * 1024);
    try {
      attacker.publish('up.beat', large);
    } catch (error) {
      // An honest client does not even send it.
      expect(String(error)).toMatch(/payload/i);
    }
    await attacker.settle();
    await expectOwnWordsPass('after the large one');
    expect(atCore.filter(({ text }) => text.includes(ATTACK))).toEqual([]);
  });
});
