import { TINY_MODEL_FOLDER } from '#tiny-model';
import type { BackendName } from './backend-names.ts';
import { begin } from './engine-under-test.ts';
import { openModelEngine } from './open-model-engine.ts';
import { memoryInUse, openFiles } from './own-figures-under-test.ts';

// A program for a child process, with the arguments <engine> <requests>. It sends its measurements
// to its parent. The process then ends by itself, unless a handle was left open.
const [engineName, count] = process.argv.slice(2);
const AT_ONCE = 12;
const BUILD = 'dinf-tiny-4bit';

const engine = await openModelEngine({
  backend: engineName as BackendName,
  models: [TINY_MODEL_FOLDER],
  maxConcurrency: 8,
  idleMs: 0,
  log: { info: () => {}, error: (facts, message) => console.error(message, facts) },
});

/**
 * Requests a sum and returns true if the answer is right. Some requests have a schema, a seed or a
 * scope, and some are cancelled.
 */
async function ask(n: number): Promise<boolean> {
  const [a, b] = [10 + (n % 50), 10 + ((n * 7) % 40)];
  const isCancelled = n % 17 === 3;
  const chat = {
    messages: [{ role: 'user', content: `What is ${a} + ${b}?` }],
    max_tokens: 20,
    ...(n % 5 === 1 && { temperature: 0.01, seed: n }),
    ...(n % 23 === 5 && {
      response_format: {
        type: 'json_schema' as const,
        json_schema: { schema: { type: 'integer' } },
      },
    }),
  };
  const request = { build: BUILD, chat, maxTokens: 20, ...(n % 2 === 0 && { cacheScope: 'one' }) };
  const { text } = await begin(engine, request, (_, sequence) => isCancelled && sequence().cancel())
    .answer;
  return isCancelled || text === String(a + b);
}

const total = Number(count);
const [memory, files]: [number[], number[]] = [[], []];
let [right, next] = [0, 0];
for (let quarter = 1; quarter <= 4; quarter += 1) {
  const until = (total * quarter) / 4;
  const worker = async () => {
    while (next < until) if (await ask(next++)) right += 1;
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  memory.push(Math.round(memoryInUse() / 1e6));
  files.push(openFiles());
}
await engine[Symbol.asyncDispose]();
process.send?.({ right: right / total, memory, files });
process.disconnect?.();
