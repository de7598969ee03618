// Measures llama.cpp in a process of its own: node llama-cpp.mjs <node_modules> <model.gguf>
// <threads> <prompt> <tokens>. Prints JSON.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [modules = '', path = '', threads, promptTokens, tokens] = process.argv.slice(2);
const { getLlama } = await import(
  pathToFileURL(join(modules, 'node-llama-cpp/dist/index.js')).href
);
const llama = await getLlama({
  build: 'never',
  skipDownload: true,
  gpu: false,
  logLevel: 'error',
  maxThreads: Number(threads),
});
const model = await llama.loadModel({ modelPath: path });
const context = await model.createContext({
  contextSize: 2048,
  threads: Number(threads),
  batchSize: 512,
});
const sequence = context.getSequence();
const prompt = Array.from({ length: Number(promptTokens) }, (_, i) => (i * 37 + 11) % 4000);
await sequence.evaluateWithoutGeneratingNewTokens(prompt);
await sequence.clearHistory();
let began = performance.now();
await sequence.evaluateWithoutGeneratingNewTokens(prompt);
const prefillTps = (1000 * prompt.length) / (performance.now() - began);
await sequence.clearHistory();
const generated = [];
for await (const token of sequence.evaluate(prompt.slice(0, 16), { temperature: 0 })) {
  if (generated.length === 0) began = performance.now();
  generated.push(token);
  if (generated.length > Number(tokens)) break;
}
console.log(
  JSON.stringify({
    prefillTps,
    decodeTps: (1000 * Number(tokens)) / (performance.now() - began),
    said: generated.slice(0, 8),
  }),
);
process.exit(0);
