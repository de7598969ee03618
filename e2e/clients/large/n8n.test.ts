import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDatabase, freePort } from '#network';
import { npmPackages } from '#testcontainers';
import { expectedText, startTestNetwork, type TestNetwork } from '../../test-network.ts';
import { folderOf, INSTALL_MS, titleOf, whyNotTested } from './large-clients.ts';

const N8N = 'n8n@2.40.7';
const folder = folderOf('npm', N8N);
const run = promisify(execFile);
const reason = await whyNotTested(N8N, {
  gigabytes: 4,
  install: () => npmPackages(folder, [N8N], { timeoutMs: INSTALL_MS }),
});

describe.skipIf(reason !== undefined)(titleOf(N8N, reason), { timeout: 400_000 }, () => {
  let network: TestNetwork;
  let home: string;
  let environment: NodeJS.ProcessEnv;

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'dinf-n8n-'));
    network = await startTestNetwork({ providers: 1, tokenMs: 0 });
    // Its SQLite needs a build. n8n keeps its data in the Postgres of the network instead.
    const database = new URL(await createDatabase(network.network.databaseUrl, 'n8n'));
    environment = {
      PATH: process.env['PATH'],
      HOME: home,
      N8N_USER_FOLDER: home,
      N8N_ENCRYPTION_KEY: 'a key of this test',
      N8N_DIAGNOSTICS_ENABLED: 'false',
      N8N_VERSION_NOTIFICATIONS_ENABLED: 'false',
      N8N_RUNNERS_BROKER_PORT: String(await freePort()),
      DB_TYPE: 'postgresdb',
      DB_POSTGRESDB_HOST: database.hostname,
      DB_POSTGRESDB_PORT: database.port,
      DB_POSTGRESDB_USER: decodeURIComponent(database.username),
      DB_POSTGRESDB_PASSWORD: decodeURIComponent(database.password),
      DB_POSTGRESDB_DATABASE: 'n8n',
    };
    const { url, apiKey } = network;
    await load('credentials', [
      {
        id: 'dinf',
        name: 'd-inference',
        type: 'openAiApi',
        data: { apiKey, url: `${url}/v1`, header: false },
      },
    ]);
    await load('workflow', [
      workflow('responses', { responsesApiEnabled: true }),
      workflow('chat', { responsesApiEnabled: false }),
    ]);
  }, 600_000);
  afterAll(async () => {
    await network.expectMoneyBalances();
    await network[Symbol.asyncDispose]();
    await rm(home, { recursive: true });
  });

  async function n8n(...args: string[]): Promise<string> {
    const started = run(process.execPath, [join(folder, 'node_modules/n8n/bin/n8n'), ...args], {
      cwd: home,
      env: environment,
      maxBuffer: 64 * 1024 * 1024,
    });
    started.child.stdin?.end();
    return (await started).stdout;
  }

  async function load(kind: 'credentials' | 'workflow', entries: object[]): Promise<void> {
    const file = join(home, `${kind}.json`);
    await writeFile(file, JSON.stringify(entries));
    await n8n(`import:${kind}`, `--input=${file}`);
  }

  test.each([
    ['the Responses API, its default', 'responses'],
    ['chat completions', 'chat'],
  ])('runs a chain whose model is called through %s', async (_, id) => {
    const printed = await n8n('execute', `--id=${id}`, '--rawOutput');
    const { data } = JSON.parse(printed.slice(printed.indexOf('{')));
    expect(data.resultData.runData.Chain[0].data.main[0][0].json).toEqual({
      // The chain removes the space at the beginning.
      text: expectedText([{ role: 'user', content: QUESTION }], 9).trim(),
    });
  });
});

const QUESTION = 'Why is the sky blue?';

/** A workflow of a trigger and a chain with the node "OpenAI Chat Model", which the form creates. */
const workflow = (id: string, modelFields: object): object => {
  const node = (name: string, type: string, typeVersion: number, fields: object = {}) => ({
    id: `${id}-${name}`,
    name,
    type,
    typeVersion,
    position: [0, 0],
    parameters: {},
    ...fields,
  });
  const to = (type: string) => ({ [type]: [[{ node: 'Chain', type, index: 0 }]] });
  return {
    id,
    name: id,
    active: false,
    settings: {},
    nodes: [
      node('Start', 'n8n-nodes-base.manualTrigger', 1),
      node('Chain', '@n8n/n8n-nodes-langchain.chainLlm', 1.9, {
        parameters: { promptType: 'define', text: QUESTION },
      }),
      node('Model', '@n8n/n8n-nodes-langchain.lmChatOpenAi', 1.3, {
        parameters: {
          model: { __rl: true, mode: 'id', value: 'sim' },
          options: { maxTokens: 9 },
          ...modelFields,
        },
        credentials: { openAiApi: { id: 'dinf', name: 'd-inference' } },
      }),
    ],
    connections: { Start: to('main'), Model: to('ai_languageModel') },
  };
};
