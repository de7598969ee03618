import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, isAbsolute } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { setting } from '#bus-schemas/settings/settings.ts';
import { addonPath, buildNative, findCompiler } from '#native/build.ts';

const ROOT = dirname(dirname(dirname(import.meta.dirname)));
/**
 * The test runs for a few seconds by default, and longer under `npm run fuzz`. The error contains
 * the seed; DINF_FUZZ_SEED repeats a run.
 */
const SECONDS = setting('DINF_FUZZ_SECONDS') ?? 8;
/** Time in which a busy computer compiles the addon, in milliseconds. */
const BUILD_MS = 600_000;
const SEED = setting('DINF_FUZZ_SEED') ?? Math.floor(Math.random() * 2 ** 31);

/**
 * Finds the sanitizer's library, which must be loaded before all others, or returns the reason why
 * the test cannot run here.
 */
function findSanitizer(): { readonly library: string } | { readonly reason: string } {
  if (process.platform !== 'linux')
    return { reason: 'only Linux loads a sanitizer into a running Node' };
  const compiler = findCompiler();
  if (compiler === undefined) return { reason: 'there is no C++ compiler' };
  const library =
    spawnSync(compiler, ['-print-file-name=libasan.so'], { encoding: 'utf8' }).stdout?.trim() ?? '';
  return isAbsolute(library) && existsSync(library)
    ? { library }
    : { reason: `${compiler} comes without libasan.so` };
}

const sanitizer = findSanitizer();

describe.skipIf('reason' in sanitizer)(
  `the engine in C++ under AddressSanitizer${'reason' in sanitizer ? ` (${sanitizer.reason})` : ''}`,
  () => {
    beforeAll(async () => {
      const lines: string[] = [];
      await buildNative({ root: ROOT, only: ['cpu-sanitized'], print: (line) => lines.push(line) });
      expect(existsSync(addonPath(ROOT, 'cpu-sanitized')), lines.join('\n')).toBe(true);
    }, BUILD_MS);

    test(
      'no model folder, tokenizer, template or direct call reads or writes outside of its memory, or overflows a number',
      async () => {
        if ('reason' in sanitizer) return;
        // Node does not free its memory when it ends, so leaks are not reported.
        const env = {
          ...process.env,
          LD_PRELOAD: sanitizer.library,
          ASAN_OPTIONS: 'detect_leaks=0:allocator_may_return_null=1',
          UBSAN_OPTIONS: 'print_stacktrace=1',
        };
        const child = fileURLToPath(new URL('./native-fuzz-under-test.ts', import.meta.url));
        const { stdout } = await promisify(execFile)(
          process.execPath,
          [child, String(SECONDS), String(SEED)],
          { env, maxBuffer: 1 << 24 },
        ).catch((error: { stderr?: string }) => {
          throw new Error(`seed ${SEED}: ${error.stderr?.slice(0, 8_000) ?? error}`);
        });
        const tried = JSON.parse(stdout);
        if (SECONDS > 60) console.log(tried);
        // If the addon accepted no call, only its checks would be tested.
        const counts = ['folders', 'answers', 'steps', 'taken', 'advances', 'drafts', 'models'];
        for (const count of [...counts, 'loaded'])
          expect(tried[count], `${count} of ${stdout}`).toBeGreaterThan(0);
      },
      SECONDS * 1_000 + 240_000,
    );
  },
);
