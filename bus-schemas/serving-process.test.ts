import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { tuneForServing } from './serving-process.ts';

test('what only the start needed is collected, although there is room for it', async () => {
  const refs = Array.from({ length: 100 }, () => new WeakRef({ only: 'the start' }));
  tuneForServing({ collectAfterMs: 0 });
  await expect.poll(() => refs.filter((ref) => ref.deref() !== undefined)).toEqual([]);
  expect('gc' in globalThis).toBe(false);
});

/** Bit in the status of a function that V8's third compiler has compiled. */
const TURBOFAN = 64;
const CALLS_UNTIL_COMPILED = `
  import { setTimeout } from 'node:timers/promises';
  const { tuneForServing } = await import(process.argv[1]);
  if (process.argv[2] === 'tuned') tuneForServing();
  const status = new Function('f', 'return %GetOptimizationStatus(f)');
  const called = (one, other) => one * other + one;
  let calls = 0;
  while ((status(called) & ${TURBOFAN}) === 0) {
    for (let i = 0; i < 50; i += 1) called(calls++, i);
    // Compilers run in a thread.
    await setTimeout(1);
  }
  console.log(calls);
`;

test('V8 compiles a function into its fastest code after fewer calls in a process that serves', async () => {
  const callsUntilCompiled = async (kind: 'tuned' | 'usual') => {
    const { stdout } = await promisify(execFile)(process.execPath, [
      '--allow-natives-syntax',
      '--input-type=module',
      '--eval',
      CALLS_UNTIL_COMPILED,
      new URL('./serving-process.ts', import.meta.url).href,
      kind,
    ]);
    return Number(stdout);
  };
  expect(await callsUntilCompiled('tuned')).toBeLessThan((await callsUntilCompiled('usual')) / 2);
});
