// Measures llama.cpp in a process of its own: node llama-cpp.mjs <node_modules> <model.gguf> <work>.
// `work` is the JSON of a Work, see against-rivals.ts. Prints the figures as JSON.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [modules = '', path = '', workText = ''] = process.argv.slice(2);
/** @type {import('./against-rivals.ts').Work} */
const work = JSON.parse(workText);
const { getLlama } = await import(
  pathToFileURL(join(modules, 'node-llama-cpp/dist/index.js')).href
);
const llama = await getLlama({
  build: 'never',
  skipDownload: true,
  gpu: false,
  logLevel: 'error',
  maxThreads: work.threads,
});
const model = await llama.loadModel({ modelPath: path });
const context = await model.createContext({
  contextSize: work.prefix + work.question + work.answer + 64,
  threads: work.threads,
  batchSize: work.step,
});
const sequence = context.getSequence();
/** @type {(count: number, from?: number) => number[]} */
const tokensOf = (count, from = 0) =>
  Array.from({ length: count }, (_, i) => ((from + i) * 37 + 11) % 4000);
/** @type {(tokens: number[]) => Promise<void>} */
const read = (tokens) => sequence.evaluateWithoutGeneratingNewTokens(tokens);

/**
 * Generates tokens after `tokens`, and calls `first` when the first one is there.
 * @param {number[]} tokens
 * @param {number} count
 * @param {() => void} [first]
 */
async function generate(tokens, count, first) {
  let generated = 0;
  for await (const _ of sequence.evaluate(tokens, { temperature: 0 })) {
    if (generated === 0) first?.();
    generated += 1;
    if (generated === count) break;
  }
}

function stopwatch() {
  const began = performance.now();
  const cpu = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(cpu);
    return { ms: performance.now() - began, cpuMs: (user + system) / 1000 };
  };
}

/** @type {Record<string, import('./against-rivals.ts').Taken>} */
const figures = {};
await read(tokensOf(work.step));
for (const count of work.prompts) {
  await sequence.clearHistory();
  const stop = stopwatch();
  await read(tokensOf(count));
  figures[`prompt of ${count}`] = stop();
}
await sequence.clearHistory();
let stop = stopwatch();
await generate(tokensOf(16), work.decoded + 1, () => {
  stop = stopwatch();
});
figures['decode'] = stop();
await sequence.clearHistory();
await read(tokensOf(work.prefix));
stop = stopwatch();
await generate(tokensOf(work.question, work.prefix), work.answer);
figures[`answer after a held prefix of ${work.prefix}`] = stop();
console.log(JSON.stringify(figures));
process.exit(0);
