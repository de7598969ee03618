import { expect, test } from 'vitest';
import { introspectChat } from '../introspect.ts';
import { pngUri } from './images-under-test.ts';

const intentOf = (...urls: string[]) =>
  introspectChat({
    model: 'sim',
    messages: [
      {
        role: 'user',
        content: urls.map((url) => ({ type: 'image_url', image_url: { url } })),
      },
    ],
  });

test('a small image is paid for by its tokens, and not by its few bytes', () => {
  expect(pngUri().length).toBeLessThan(200);
  expect(intentOf(pngUri()).promptBound).toBeGreaterThan(300);
});

test('a large file is not paid for by its bytes', () => {
  const noise = `data:image/png;base64,${Buffer.concat([
    Buffer.from(pngUri(100, 100).split(',')[1] as string, 'base64'),
    Buffer.alloc(400_000),
  ]).toString('base64')}`;
  expect(intentOf(noise).promptBound).toBeLessThan(1_000);
});

test.each([
  ['a bomb, whose header names more pixels than are decoded', [pngUri(16_000, 16_000, 1)], '25000'],
  ['an image with a side that is too long', [pngUri(20_000, 10, 1)], '16384'],
  ['too many images', Array.from({ length: 17 }, () => pngUri()), 'at most 16 images'],
  [
    'too many pixels together',
    Array.from({ length: 5 }, () => pngUri(5_000, 5_000, 1)),
    'together',
  ],
  ['a text with the type of an image', ['data:image/png;base64,SGVsbG8='], 'Image 1 is no'],
])('%s is refused before a machine is asked', (_, urls, reason) => {
  expect(() => intentOf(...urls)).toThrow(expect.objectContaining({ code: 'invalid_request' }));
  expect(() => intentOf(...urls)).toThrow(reason);
});
