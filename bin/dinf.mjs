#!/usr/bin/env node
// The entry point. It runs on any Node >= 20.19 before any package is installed, finds a Node that
// runs the program, and starts dinf.ts under it. All its messages go to stderr,
// because stdout belongs to the command.
import { delimiter, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chooseNode } from './choose-node.mjs';
import { keepCompiledModules } from './compile-cache.mjs';
import { runUnder } from './run-under.mjs';
import { shareHeaps } from './small-heaps.mjs';

const PROGRAM = fileURLToPath(new URL('./dinf.ts', import.meta.url));
const say = (/** @type {string} */ line) => process.stderr.write(`dinf: ${line}\n`);

try {
  const node = await chooseNode({ say });
  process.env['PATH'] = dirname(node) + delimiter + (process.env['PATH'] ?? '');
  keepCompiledModules(process.env);
  shareHeaps(process.env);
  if (node === process.execPath) await import('./dinf.ts');
  else await runUnder(node, [PROGRAM, ...process.argv.slice(2)]);
} catch (error) {
  if (!(error instanceof Error && 'exitCode' in error)) throw error;
  say(error.message);
  process.exitCode = Number(error.exitCode);
}
