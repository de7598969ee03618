#!/usr/bin/env node
// The entry point. It runs on any Node >= 20.19 before any package is installed, finds a Node that
// runs TypeScript without a build step, and starts dinf.ts under it. All its messages go to stderr,
// because stdout belongs to the command.
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
