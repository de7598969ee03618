import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { canMount, mountDisk, type SmallDisk } from '../small-disk.ts';
import { startUpProcess, type UpProcess } from '../up-process.ts';

/**
 * Size of the disk while the streams are created: nats-server checks it then. It shrinks
 * afterwards.
 */
const ROOMY = '4g';
const SMALL = '48m';

interface Answer {
  readonly status: number;
  readonly job: string | null;
}

async function ask({ url, apiKey }: UpProcess): Promise<Answer> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'sim-llama-8b',
      messages: [{ role: 'user', content: 'Is there room?' }],
      max_tokens: 3,
    }),
  });
  await response.arrayBuffer();
  return { status: response.status, job: response.headers.get('x-inference-job-id') };
}

async function degraded({ url }: UpProcess): Promise<string[]> {
  const { degraded: broken = [] } = (await (await fetch(`${url}/readyz`)).json()) as {
    degraded?: string[];
  };
  return broken;
}

/** Starts a network whose JetStream has a disk of its own. */
async function startOnDisk(
  stack: AsyncDisposableStack,
  size: string,
): Promise<{ up: UpProcess; disk: SmallDisk }> {
  // The disk is mounted outside the home, because a folder with a mount cannot be deleted at the
  // end.
  const disk = mountDisk(stack, size);
  const up = await startUpProcess({
    prepare: async (home) => {
      mkdirSync(join(home, 'hub'), { mode: 0o700 });
      symlinkSync(disk.folder, join(home, 'hub', 'jetstream'));
    },
  });
  return { up: stack.use(up), disk };
}

test.skipIf(!canMount())(
  'a disk that is too small for the streams is an error that names its path, its free space and the needed space',
  { timeout: 60_000 },
  async () => {
    await using stack = new AsyncDisposableStack();
    await expect(startOnDisk(stack, SMALL)).rejects.toThrow(
      /JetStream has no room for the stream JOBS, which needs 1\.1 GB; all streams together need 2\.4 GB\. The server hub stores them in \S+\/hub\/jetstream\S* and offers 37 MB/,
    );
  },
);

test.skipIf(!canMount())(
  'while JetStream cannot write, requests are served; once there is space, the hub is restarted and no message is missing',
  { timeout: 120_000 },
  async () => {
    await using stack = new AsyncDisposableStack();
    const { up, disk } = await startOnDisk(stack, ROOMY);
    disk.resize(SMALL);
    const empty = disk.fill();

    const answers: Answer[] = [];
    await expect
      .poll(
        async () => {
          answers.push(await ask(up));
          return (await degraded(up)).join();
        },
        { timeout: 30_000 },
      )
      .toContain('stream JOBS has stored nothing for');
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));

    empty();
    await up.process.whenLine((line) => line.includes('restarting the hub'), 30_000);
    await expect.poll(async () => (await ask(up)).status, { timeout: 20_000 }).toBe(200);
    await expect.poll(() => degraded(up), { timeout: 20_000 }).toEqual([]);
    const rows = () =>
      Promise.all(
        answers.map(({ job }) =>
          fetch(`${up.url}/v1/generation?id=${job}`, {
            headers: { authorization: `Bearer ${up.apiKey}` },
          }).then(({ status }) => status),
        ),
      );
    await expect
      .poll(async () => new Set(await rows()), { timeout: 20_000 })
      .toEqual(new Set([200]));
  },
);
