import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { setting } from '#bus-schemas/settings/settings.ts';
import { cacheFolder, type SupervisedProcess } from '#provider';
import { ensureFolder, npmPackages } from '#testcontainers';
import { tinyAlias, tinyModel } from '#tiny-model';
import { startProviderProcess } from '../provider-process.ts';
import { startTestNetwork, type TestNetwork } from '../test-network.ts';

/**
 * The compliance suite of OpenResponses is in no package index. The test makes a clone of its
 * repository, or uses the one that `DINF_OPEN_RESPONSES` names, and bundles it for Node. Its limits
 * of time need a processor that is not busy, so the test runs only by `npm run open-responses`.
 */
const REPOSITORY = 'https://github.com/openresponses/openresponses.git';
const CLONE = 'clone';
const PROGRAM = 'suite.mjs';
const ZOD = 'zod@3.25.76';
const LIMIT_MS = 300_000;
const run = promisify(execFile);
const zodFolder = join(cacheFolder(process.env), 'zod-3.25.76');

/** Folder with the suite, or the reason why there is none. */
async function findSuite(): Promise<{ suite: string } | { reason: string }> {
  const named = setting('DINF_OPEN_RESPONSES');
  if (named === undefined) return { reason: 'it takes a minute: npm run open-responses' };
  try {
    await npmPackages(zodFolder, [ZOD]);
    if (named !== CLONE) return { suite: named };
    const folder = join(cacheFolder(process.env), 'openresponses');
    const suite = await ensureFolder(folder, async (staged) => {
      await run('git', ['clone', '--depth', '1', REPOSITORY, staged], { timeout: LIMIT_MS });
    });
    return { suite };
  } catch (error) {
    return { reason: `it cannot be fetched: ${String(error).split('\n').at(-2)?.slice(0, 120)}` };
  }
}
const found = await findSuite();
const reason = 'reason' in found ? found.reason : undefined;

describe.skipIf(reason !== undefined)(
  `the compliance suite of OpenResponses (${reason ?? 'found'})`,
  { timeout: LIMIT_MS },
  () => {
    let network: TestNetwork;
    let provider: SupervisedProcess;
    let bundle: string;

    beforeAll(async () => {
      bundle = await mkdtemp(join(tmpdir(), 'dinf-open-responses-'));
      if ('suite' in found) await bundleForNode(found.suite, bundle);
      network = await startTestNetwork({ providers: 2, tokenMs: 1, endless: false });
      await network.network.putModels([tinyModel], [tinyAlias]);
      provider = await startProviderProcess(network, [
        ...['--engine', 'cpu', '--token', await network.network.enrolToken()],
      ]);
      await vi.waitFor(() => answers('tiny'), { timeout: 60_000, interval: 500 });
    }, LIMIT_MS);
    afterAll(async () => {
      await provider.stop();
      await network.expectMoneyBalances();
      await network[Symbol.asyncDispose]();
      await rm(bundle, { recursive: true });
    });

    async function answers(model: string): Promise<void> {
      const messages = [{ role: 'user' as const, content: 'What is 12 + 30?' }];
      await network.openai().chat.completions.create({ model, messages });
    }

    /** Tests of the suite that do not pass with a model, each with its errors. */
    async function failures(model: string): Promise<Record<string, string[]>> {
      const access = ['--base-url', `${network.url}/v1`, '--api-key', network.apiKey];
      const program = join(bundle, PROGRAM);
      const suite = run(process.execPath, [program, ...access, '--model', model, '--json'], {
        maxBuffer: 64 * 1024 * 1024,
      });
      // The suite prints its report and exits with 1 if a test fails.
      const printed = await suite.catch((error: { stdout: string }) => {
        if (error.stdout === '') throw error;
        return error;
      });
      const { summary, results } = JSON.parse(printed.stdout) as Report;
      expect(summary.total).toBeGreaterThanOrEqual(17);
      const failed = results.filter(({ status }) => status !== 'passed');
      return Object.fromEntries(failed.map(({ id, errors }) => [id, errors]));
    }

    test('passes with a model that reads images', async () => {
      expect(await failures('sim-vision-7b')).toEqual({});
    });

    test.each(['sim', 'tiny'])('passes with %s, which refuses the image', async (model) => {
      expect(await failures(model)).toEqual({
        'image-input': [expect.stringMatching(/^HTTP 400/)],
      });
    });
  },
);

/** The suite is written for Bun: its imports have no extension, and zod is not installed with it. */
async function bundleForNode(suite: string, outDir: string): Promise<void> {
  const { build } = await import('vite');
  await build({
    root: suite,
    configFile: false,
    logLevel: 'error',
    resolve: { alias: { zod: join(zodFolder, 'node_modules/zod') } },
    ssr: { noExternal: true },
    build: {
      ssr: 'bin/compliance-test.ts',
      outDir,
      copyPublicDir: false,
      rolldownOptions: { output: { entryFileNames: PROGRAM } },
    },
  });
}

interface Report {
  readonly summary: { readonly total: number };
  readonly results: readonly { id: string; status: string; errors: string[] }[];
}
