import { expect, test } from 'vitest';
import { ProgressLine } from './progress-line.ts';

const GB = 1e9;

test('a download on a terminal shows its share, speed and remaining time on one line', () => {
  let now = 0;
  const written: string[] = [];
  const line = new ProgressLine({ isTTY: true, write: (text) => written.push(text) }, () => now);
  line.show({ doneBytes: 0, totalBytes: 4 * GB });
  now = 1_000;
  line.show({ doneBytes: GB, totalBytes: 4 * GB });
  now = 1_010;
  line.show({ doneBytes: GB + 1, totalBytes: 4 * GB });
  line.print('done');
  expect(written).toHaveLength(4);
  expect(written[1]).toBe(
    `\r\u001b[K${'█'.repeat(8)}${'░'.repeat(22)} 25 %  1.0 GB of 4.0 GB  1.0 GB/s, 3 s left`,
  );
  expect(written.slice(2)).toEqual(['\n', 'done\n']);
});

test('a download without a terminal prints one line for each tenth', () => {
  const written: string[] = [];
  const line = new ProgressLine({ write: (text) => written.push(text) }, () => 0);
  for (let done = 0; done <= 100; done += 1) line.show({ doneBytes: done, totalBytes: 100 });
  expect(written).toHaveLength(10);
});
