import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { setting } from '#bus-schemas/settings/settings.ts';
import { cacheFolder } from '#provider';
import { pythonPackages } from '#testcontainers';
import { startTestNetwork, type TestNetwork } from '../test-network.ts';

/**
 * schemathesis sends generated requests to every route and compares the answers with the OpenAPI
 * document. It takes minutes, so it runs only by `npm run schemathesis`.
 */
const VERSION = '4.32.5';
const SEED = '1';
const LIMIT_MS = 3_600_000;
const run = promisify(execFile);
const folder = join(cacheFolder(process.env), `schemathesis-${VERSION}`);
const examples = setting('DINF_SCHEMATHESIS_EXAMPLES');

async function whyNot(): Promise<string | undefined> {
  if (examples === undefined) return 'it takes minutes: npm run schemathesis';
  try {
    await pythonPackages(folder, [`schemathesis==${VERSION}`], {
      env: process.env,
      withDependencies: true,
    });
    return undefined;
  } catch (error) {
    return `schemathesis ${VERSION} cannot be installed: ${String(error).split('\n').at(-2)?.slice(0, 120)}`;
  }
}
const reason = await whyNot();

/**
 * The statuses that schemathesis accepts, besides its own:
 *
 * - 413 for an invalid request, because some are larger than a body may be;
 * - 400 for a valid one on three routes: RFC 8628 demands it for an unknown code, and a random body
 *   is no sealed request.
 */
const configuration = (apiKey: string, token: string) => `
hooks = "hooks"
[auth.openapi.apiKey]
bearer = "${apiKey}"
[auth.openapi.signIn]
bearer = "${token}"
[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429", "5xx"]
[[operations]]
include-path = ["/v1/device/token", "/v1/sealed/jobs", "/v1/sealed/jobs/{job}"]
checks.positive_data_acceptance.expected-statuses = ["2xx", "3xx", "400", "401", "403", "404", "409", "429", "5xx"]
`;

describe.skipIf(reason !== undefined)(
  `schemathesis${reason === undefined ? '' : ` (${reason})`}`,
  () => {
    let network: TestNetwork;
    let project: string;
    beforeAll(async () => {
      project = await mkdtemp(join(tmpdir(), 'dinf-schemathesis-'));
      network = await startTestNetwork({ providers: 1, tokenMs: 1 });
    });
    afterAll(async () => {
      await network[Symbol.asyncDispose]();
      await rm(project, { recursive: true });
    });

    test('finds no request that the API answers otherwise than documented', {
      timeout: LIMIT_MS,
    }, async () => {
      // The key belongs to another account than the token, so that no request can revoke it.
      const { token } = await network.person('tester');
      await writeFile(join(project, 'schemathesis.toml'), configuration(network.apiKey, token));
      const options = [
        '--checks',
        'all',
        '--phases',
        'examples,coverage,fuzzing',
        '--workers',
        '1',
      ];
      const program = 'from schemathesis.cli import schemathesis; schemathesis()';
      const call = ['run', `${network.url}/openapi.json`, ...options, '--seed', SEED];
      const found = await run(
        'python3',
        ['-c', program, ...call, '--max-examples', String(examples), '--no-color'],
        {
          cwd: project,
          maxBuffer: 1024 ** 3,
          env: {
            ...process.env,
            PYTHONPATH: [folder, join(import.meta.dirname, 'schemathesis')].join(':'),
          },
        },
      ).then(
        () => '',
        ({ stdout, stderr }: { stdout: string; stderr: string }) => `${stdout}${stderr}`,
      );
      expect(found).toBe('');
    });
  },
);
