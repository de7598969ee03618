import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cacheFolder } from '#provider';
import { npmPackages } from '#testcontainers';
import { ROOT } from '../source-folders.ts';

/** Versions of the two linters. They are not dependencies: they would add 126 MB. */
const REDOCLY = '@redocly/cli@2.77.0';
const SPECTRAL = '@stoplight/spectral-cli@6.16.3';
const run = promisify(execFile);
const folder = join(cacheFolder(process.env), 'openapi-linters-2');

async function whyNot(): Promise<string | undefined> {
  try {
    await npmPackages(folder, [REDOCLY, SPECTRAL]);
    return undefined;
  } catch (error) {
    return `the linters cannot be installed: ${String(error).split('\n').at(-2)?.slice(0, 120)}`;
  }
}
const reason = await whyNot();

describe.skipIf(reason !== undefined)(
  `linters of OpenAPI documents${reason === undefined ? '' : ` (${reason})`}`,
  () => {
    let rules: string;
    beforeAll(async () => {
      rules = await mkdtemp(join(tmpdir(), 'dinf-lint-'));
      await writeFile(join(rules, 'spectral.yaml'), 'extends: ["spectral:oas"]\n');
      await writeFile(join(rules, 'redocly.yaml'), 'extends: [recommended]\n');
    });
    afterAll(() => rm(rules, { recursive: true }));

    /** Runs a linter and returns its findings as JSON, whatever its exit code. */
    const lint = (program: string, args: readonly string[]): Promise<unknown> =>
      run(process.execPath, [join(folder, 'node_modules', program), 'lint', ...args], {
        env: { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' },
      }).then(
        ({ stdout }) => JSON.parse(stdout),
        ({ stdout }: { stdout: string }) => JSON.parse(stdout),
      );

    test.each(['openapi.json', 'openapi-operators.json'])(
      'report nothing about docs/%s',
      { timeout: 60_000 },
      async (name) => {
        const document = join(ROOT, 'docs', name);
        const config = ['--config', join(rules, 'redocly.yaml'), '--format', 'json'];
        expect(await lint('@redocly/cli/bin/cli.js', [document, ...config])).toMatchObject({
          problems: [],
        });
        const ruleset = ['--ruleset', join(rules, 'spectral.yaml'), '--format', 'json', '--quiet'];
        expect(await lint('@stoplight/spectral-cli/dist/index.js', [document, ...ruleset])).toEqual(
          [],
        );
      },
    );
  },
);
