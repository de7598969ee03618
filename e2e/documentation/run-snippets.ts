import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { documentedBlocks, ROOT } from './blocks.ts';
import type { World } from './world.ts';

/** Runs the documented TypeScript on Node, with the packages of this repository. */

const run = promisify(execFile);

export function describeSnippets(world: () => World): void {
  const snippets = documentedBlocks().filter(({ language }) => language === 'ts');
  describe('a documented snippet', () => {
    test.each(snippets)('$name … runs to its end and prints an answer', async ({ text }) => {
      const { network, apiKey } = world();
      const code = text
        .replaceAll('http://127.0.0.1:8080', network.url)
        .replaceAll('sk-db-…', apiKey);
      const { stdout } = await run(
        process.execPath,
        ['--input-type=module-typescript', '--eval', code],
        { cwd: ROOT, timeout: 60_000 },
      );
      expect(stdout.trim().length).toBeGreaterThan(0);
    });
  });
}
