import { parentPort } from 'node:worker_threads';
import { messageOf } from '#bus-schemas/message-of.ts';
import { type DecodableType, loadCodec } from './codecs.ts';
import { type ImageSize, type ScalingFilter, scaleImage } from './scale-image.ts';

export interface ImageTask {
  readonly type: DecodableType;
  readonly file: Uint8Array;
  /** The size that the file names. */
  readonly size: ImageSize;
  readonly scaled: ImageSize & { readonly filter: ScalingFilter };
}

export type ImageAnswer =
  | { readonly ok: true; readonly pixels: Uint8Array<ArrayBuffer> }
  | { readonly ok: false; readonly why: string };

// The codecs print the reason of a failure, which may quote the file.
console.error = () => {};
console.warn = () => {};

parentPort?.on('message', async (task: ImageTask) => {
  const answer = await pixelsOf(task).catch(
    (error: unknown): ImageAnswer => ({ ok: false, why: messageOf(error) }),
  );
  parentPort?.postMessage(answer, answer.ok ? [answer.pixels.buffer] : []);
});

async function pixelsOf({ type, file, size, scaled }: ImageTask): Promise<ImageAnswer> {
  const decode = await loadCodec(type);
  const { width, height, data } = await decode(Uint8Array.from(file).buffer);
  if (!isSameSize({ width, height }, size) || data.length !== 4 * width * height)
    return { ok: false, why: 'the image has another size than its header' };
  const image = { width, height, numbers: data, channels: 4 } as const;
  return { ok: true, pixels: scaleImage(image, scaled) };
}

/** A picture that was turned has its sides exchanged. */
const isSameSize = (one: ImageSize, { width, height }: ImageSize): boolean =>
  (one.width === width && one.height === height) || (one.width === height && one.height === width);
