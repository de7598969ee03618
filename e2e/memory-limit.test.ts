import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { kvBytesPerToken } from '#provider/engine/decoders/decoder.ts';
import { createReferenceBackend } from '#provider/engine/decoders/reference-decoder.ts';
import { memoryForModels } from '#provider/machine.ts';
import { openModel } from '#provider/models/model.ts';
import { makeMemoryGroup } from '#testcontainers';
import { TINY_MODEL_FOLDER } from '#tiny-model';
import { DINF } from './dinf-program.ts';

const run = promisify(execFile);
const SHORTEST_CACHE = 2_048;
const STEP_BYTES = 65_536;

const model = await openModel(TINY_MODEL_FOLDER);
const needed =
  model.weightBytes +
  Math.min(SHORTEST_CACHE, model.shape.contextTokens) *
    kvBytesPerToken(model, createReferenceBackend());

/** The limit of a group in which models may have half of what the model needs. */
function limitForHalf(): number {
  const total = Number.MAX_SAFE_INTEGER;
  let limit = STEP_BYTES;
  while (memoryForModels(1, { total, limit }) < needed / 2) limit += STEP_BYTES;
  return limit;
}

const limit = limitForHalf();
const group = makeMemoryGroup(`dinf-test-${process.pid}`, limit);

test.skipIf(group === undefined)(
  'in a control group with half of the memory that the model needs, it is refused before it is loaded, with both numbers (skipped where no such group can be made)',
  { timeout: 300_000 },
  async () => {
    await using inGroup = group;
    const home = await mkdtemp(join(tmpdir(), 'dinf-small-'));
    const [shell = '', ...launcher] = inGroup?.launcher ?? [];
    const started = run(shell, [
      ...[...launcher, process.execPath, DINF, 'provider', '--home', home],
      ...['--engine', 'reference', '--model', TINY_MODEL_FOLDER],
    ]);
    const { stderr } = await started.then(
      () => expect.unreachable('the model was loaded'),
      (error: { stderr: string }) => error,
    );
    const found = /needs (\d+) bytes of memory, and this machine has (\d+) bytes for models/.exec(
      stderr,
    );
    expect(found, stderr).not.toBeNull();
    const [, needs = 0, has = 0] = (found ?? []).map(Number);
    expect(needs).toBe(needed);
    expect(Math.abs(has - needed / 2)).toBeLessThan(2 * STEP_BYTES);
    await rm(home, { recursive: true, force: true });
  },
);
