import { parentPort } from 'node:worker_threads';
import { messageOf } from '#bus-schemas/message-of.ts';
import { type DecodableType, loadCodec } from './codecs.ts';
import { type ImageSize, type Pixels, type Scaled, scaleImage } from './scale-image.ts';

export interface ImageTask {
  readonly type: DecodableType;
  readonly file: Uint8Array;
  /** The size that the file names. */
  readonly size: ImageSize;
  readonly scaled: Scaled;
}

export type ImageAnswer =
  | { readonly ok: true; readonly pixels: Pixels }
  | { readonly ok: false; readonly why: string };

// The codecs print the reason of a failure, which may quote the file.
console.error = () => {};
console.warn = () => {};

parentPort?.on('message', async (task: ImageTask) => {
  const answer = await pixelsOf(task).catch(
    (error: unknown): ImageAnswer => ({ ok: false, why: messageOf(error) }),
  );
  parentPort?.postMessage(answer, answer.ok ? [answer.pixels.numbers.buffer] : []);
});

async function pixelsOf({ type, file, size, scaled }: ImageTask): Promise<ImageAnswer> {
  const decode = await loadCodec(type);
  const { width, height, data } = await decode(Uint8Array.from(file).buffer);
  if (!isSameSize({ width, height }, size) || data.length !== 4 * width * height)
    return { ok: false, why: 'the image has another size than its header' };
  const image = { width, height, numbers: data, channels: 4 } as const;
  const isTurned = scaled.followsTurn === true && width !== size.width;
  const wanted = isTurned ? { ...scaled, width: scaled.height, height: scaled.width } : scaled;
  const numbers = scaleImage(image, wanted);
  return { ok: true, pixels: { numbers, width: wanted.width, height: wanted.height } };
}

/** A picture that was turned has its sides exchanged. */
const isSameSize = (one: ImageSize, { width, height }: ImageSize): boolean =>
  (one.width === width && one.height === height) || (one.width === height && one.height === width);
