#!/usr/bin/env node
// The first thing that runs, on whatever Node >= 20.19 launched it and before any package is installed: finds a Node that runs
// TypeScript as it stands and hands over to dinf.ts. Everything it says goes to stderr; stdout belongs to the command.
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chooseNode } from './choose-node.mjs';
import { runUnder } from './run-under.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const say = (/** @type {string} */ line) => process.stderr.write(`dinf: ${line}\n`);

try {
  const node = await chooseNode({ root, say });
  process.env['PATH'] = dirname(node) + delimiter + (process.env['PATH'] ?? '');
  if (node === process.execPath) await import('./dinf.ts');
  else await runUnder(node, [join(root, 'bin', 'dinf.ts'), ...process.argv.slice(2)]);
} catch (error) {
  if (!(error instanceof Error && 'exitCode' in error)) throw error;
  say(error.message);
  process.exitCode = Number(error.exitCode);
}
