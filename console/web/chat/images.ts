/**
 * Images of a question. They are made smaller in the browser. The price of a sealed question is held
 * by its length, because the network cannot see what is in it: an image of 400 kB would count as
 * 100,000 tokens, more than the context of many models. The new file also has none of the old one's
 * data, such as the place where a photo was taken.
 */

/** Images of one question, and the largest file that is read, in megabytes. */
export const MAX_IMAGES = 2;
export const MAX_FILE_MB = 20;
const MAX_FILE_BYTES = MAX_FILE_MB * 1_000_000;
/** Longest side of an image after it was made smaller, in pixels. */
const MAX_SIDE = 768;
const LEAST_SIDE = 64;
/** Longest data URL of an image, in characters: about 10,000 tokens by its length. */
const MAX_CHARACTERS = 40_000;
const QUALITIES = [0.85, 0.7, 0.5];
const TYPES = ['image/png', 'image/jpeg', 'image/webp', 'image/gif'];
export const ACCEPTED_TYPES = TYPES.join(',');

export type ImageFault = 'too_large' | 'no_image';

/** The image as a data URL, or why it cannot be used. */
export async function readImage(file: Blob): Promise<{ url: string } | { fault: ImageFault }> {
  if (!TYPES.includes(file.type)) return { fault: 'no_image' };
  if (file.size > MAX_FILE_BYTES) return { fault: 'too_large' };
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch (error) {
    console.warn('the image cannot be read', error);
    return { fault: 'no_image' };
  }
  for (let side = MAX_SIDE; side >= LEAST_SIDE; side = Math.floor(side * 0.75)) {
    const url = smallEnough(draw(bitmap, sizeWithin(bitmap, side)));
    if (url !== undefined) return { url };
  }
  return { fault: 'too_large' };
}

function draw(bitmap: ImageBitmap, size: { width: number; height: number }): HTMLCanvasElement {
  const canvas = Object.assign(document.createElement('canvas'), size);
  const context = canvas.getContext('2d');
  if (context === null) throw new Error('this browser cannot draw images');
  // JPEG has no transparency: without a ground, transparent parts would become black.
  context.fillStyle = 'white';
  context.fillRect(0, 0, size.width, size.height);
  context.drawImage(bitmap, 0, 0, size.width, size.height);
  return canvas;
}

/** The image in the best quality that is short enough; undefined if none is. */
const smallEnough = (canvas: HTMLCanvasElement): string | undefined =>
  QUALITIES.map((quality) => canvas.toDataURL('image/jpeg', quality)).find(
    ({ length }) => length <= MAX_CHARACTERS,
  );

/** The size of an image whose longest side is at most `side`, with the same proportions. */
export function sizeWithin(
  { width, height }: { readonly width: number; readonly height: number },
  side: number,
): { width: number; height: number } {
  const scale = Math.min(1, side / Math.max(width, height));
  const scaled = (length: number) => Math.max(1, Math.round(length * scale));
  return { width: scaled(width), height: scaled(height) };
}
