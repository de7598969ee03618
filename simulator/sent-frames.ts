import { FrameGroup, type GroupedFrame, Out } from '#bus-schemas';

/** The frames in a message that a machine sends. */
export function framesIn(subject: string, payload: Uint8Array): readonly GroupedFrame[] {
  if (subject.startsWith('up.frames.')) return FrameGroup.decode(payload).frames;
  if (!subject.startsWith('up.out.')) return [];
  const out = Out.decode(payload);
  return out.t === 'frame' ? [{ job: subject.slice(subject.lastIndexOf('.') + 1), ...out }] : [];
}

/** The message with each of its frames changed; one without frames as it is. */
export function withFrames(
  subject: string,
  payload: Uint8Array,
  change: (frame: GroupedFrame) => GroupedFrame,
): Uint8Array {
  const frames = framesIn(subject, payload).map(change);
  if (subject.startsWith('up.frames.')) return FrameGroup.encode({ frames });
  const [frame] = frames;
  if (frame === undefined) return payload;
  const { job: _, ...out } = frame;
  return Out.encode(out);
}
