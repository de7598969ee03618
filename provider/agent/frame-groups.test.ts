import { setImmediate as turnEnd } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { FrameGroup, type JobOrder, newIngressId, newJobId, Out } from '#bus-schemas';
import { FrameGroups } from './frame-groups.ts';

const orderOf = (ingress: string, jointFrames = true): JobOrder =>
  ({ ingress, job: newJobId(), attempt: 1, jointFrames }) as JobOrder;
const frame = (seq: number, bytes = 60) => ({ seq, sealed: new Uint8Array(bytes).fill(seq) });

function newGroups() {
  const sent: { subject: string; payload: Uint8Array }[] = [];
  const groups = new FrameGroups((subject, payload) => void sent.push({ subject, payload }));
  const seqsIn = ({ payload }: { payload: Uint8Array }) =>
    FrameGroup.decode(payload).frames.map(({ seq }) => seq);
  return { sent, groups, seqsIn };
}

test('frames of one turn share a message for each ingress', async () => {
  const { sent, groups } = newGroups();
  const [here, there] = [newIngressId(), newIngressId()];
  const [first, second, other] = [orderOf(here), orderOf(here), orderOf(there)];
  groups.send(first, frame(0));
  groups.send(second, frame(7));
  groups.send(other, frame(1));
  groups.send(first, frame(1));
  expect(sent).toEqual([]);
  await turnEnd();
  expect(sent.map(({ subject }) => subject)).toEqual([
    `up.frames.${here}`,
    `up.out.${there}.${other.job}`,
  ]);
  const [together, alone] = sent.map(({ payload }) => payload);
  expect(FrameGroup.decode(together as Uint8Array).frames).toMatchObject([
    { job: first.job, attempt: 1, seq: 0 },
    { job: second.job, attempt: 1, seq: 7 },
    { job: first.job, attempt: 1, seq: 1 },
  ]);
  expect(Out.decode(alone as Uint8Array)).toMatchObject({ t: 'frame', attempt: 1, seq: 1 });
});

test('an ingress that does not read groups gets each frame alone and at once', () => {
  const { sent, groups } = newGroups();
  const order = orderOf(newIngressId(), false);
  groups.send(order, frame(0));
  groups.send(order, frame(1));
  expect(sent.map(({ payload }) => Out.decode(payload))).toMatchObject([{ seq: 0 }, { seq: 1 }]);
});

test('a group has at most 256 frames and 256 KiB, and no frame is lost', async () => {
  const { sent, groups, seqsIn } = newGroups();
  const order = orderOf(newIngressId());
  for (let seq = 0; seq < 300; seq += 1) groups.send(order, frame(seq));
  expect(sent.map(seqsIn)).toEqual([Array.from({ length: 256 }, (_, seq) => seq)]);
  for (const seq of [300, 301]) groups.send(order, frame(seq, 200 * 1024));
  await turnEnd();
  const [, rest, last] = sent;
  expect(sent).toHaveLength(3);
  expect(rest && seqsIn(rest)).toEqual(Array.from({ length: 45 }, (_, index) => 256 + index));
  expect(last && Out.decode(last.payload)).toMatchObject({ seq: 301 });
});

test('what waits is sent when the agent ends', () => {
  const { sent, groups } = newGroups();
  groups.send(orderOf(newIngressId()), frame(0));
  groups[Symbol.dispose]();
  expect(sent).toHaveLength(1);
});
