import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { npmPackages } from '#testcontainers';
import { ROOT } from '../../source-folders.ts';
import { expectedText, startTestNetwork, type TestNetwork } from '../../test-network.ts';
import { folderOf, INSTALL_MS, titleOf, whyNotTested } from './large-clients.ts';

/**
 * LibreChat is not in a package index. This package of LibreChat sends its requests to models, and
 * the other one checks `librechat.yaml`.
 */
const AGENTS = '@librechat/agents@3.9.2';
const SETTINGS = 'librechat-data-provider@0.8.524';
/** Its dependencies need this version, and name an older one too. */
const TELEMETRY = '@opentelemetry/api@1.10.0';
const folder = folderOf('npm', AGENTS);
const reason = await whyNotTested(AGENTS, {
  gigabytes: 1,
  install: () =>
    npmPackages(folder, [AGENTS, SETTINGS, TELEMETRY], {
      omit: ['optional'],
      timeoutMs: INSTALL_MS,
    }),
});

/** Loads one of the installed packages. The types are those that this test uses. */
const load = createRequire(join(folder, 'package.json'));

describe.skipIf(reason !== undefined)(titleOf(AGENTS, reason), { timeout: 120_000 }, () => {
  let network: TestNetwork;
  let agents: Agents;
  beforeAll(async () => {
    agents = load('@librechat/agents');
    network = await startTestNetwork({ providers: 1, tokenMs: 0 });
  }, 120_000);
  afterAll(async () => {
    await network.expectMoneyBalances();
    await network[Symbol.asyncDispose]();
  });

  const question = 'Why is the sky blue?';

  /** The fields that LibreChat derives from a custom endpoint. */
  const endpoint = (fields: object = {}) => ({
    provider: 'openAI',
    streaming: true,
    streamUsage: true,
    model: 'sim',
    user: 'ann',
    apiKey: network.apiKey,
    configuration: { baseURL: `${network.url}/v1` },
    ...fields,
  });

  async function answer(graph: object): Promise<{ content: Part[]; pieces: string[]; run: Run }> {
    const pieces: string[] = [];
    const handle = (_: string, { delta }: { delta: { content: Part[] } }) => {
      pieces.push(...delta.content.map(({ text }) => text ?? ''));
    };
    const run = await agents.Run.create({
      runId: crypto.randomUUID(),
      graphConfig: { type: 'standard', ...graph },
      returnContent: true,
      customHandlers: { on_message_delta: { handle } },
    });
    const { HumanMessage } = load('@langchain/core/messages');
    const content = await run.processStream(
      { messages: [new HumanMessage(question)] },
      { configurable: { thread_id: crypto.randomUUID() }, version: 'v2', streamMode: 'values' },
    );
    return { content, pieces, run };
  }

  test('streams an answer, and gives the conversation a title', async () => {
    const { content, pieces, run } = await answer({ llmConfig: endpoint({ maxTokens: 9 }) });
    const text = expectedText([{ role: 'user', content: question }], 9);
    expect(content).toMatchObject([{ type: 'text', text }]);
    expect(pieces.join('')).toBe(text);
    expect(pieces.length).toBeGreaterThan(1);
    const { title } = await run.generateTitle({
      provider: 'openAI',
      inputText: question,
      contentParts: content,
      titleMethod: 'completion',
      clientOptions: endpoint({ maxTokens: 9, streaming: false }),
    });
    expect(title).toMatch(/./);
    expect(await network.charges()).toHaveLength(2);
  });

  test('runs a tool, and answers after its result', async () => {
    const { tool } = load('@langchain/core/tools');
    const cities: unknown[] = [];
    const weather = tool(
      ({ city }: { city: string }) => {
        cities.push(city);
        return 'rain';
      },
      {
        name: 'weather',
        description: 'The weather of a city.',
        schema: { type: 'object', properties: { city: { type: 'string' } } },
      },
    );
    const { content } = await answer({
      llmConfig: endpoint({ maxTokens: 200 }),
      tools: [weather],
      toolMap: new Map([['weather', weather]]),
    });
    expect(cities).toEqual(['river']);
    expect(content.at(-1)).toMatchObject({ type: 'text' });
  });

  test('accepts the librechat.yaml of docs/clients/librechat.md', async () => {
    const page = await readFile(join(ROOT, 'docs/clients/librechat.md'), 'utf8');
    const yaml = /```yaml\n(.*?)```/s.exec(page)?.[1] ?? '';
    const { configSchema, Constants } = load('librechat-data-provider');
    const settings = parse(yaml);
    expect(configSchema.strict().safeParse(settings)).toMatchObject({ success: true });
    expect(settings.version).toBe(Constants.CONFIG_VERSION);
  });
});

interface Part {
  readonly type: string;
  readonly text?: string;
}

interface Run {
  processStream(input: object, config: object): Promise<Part[]>;
  generateTitle(options: object): Promise<{ title?: string }>;
}

interface Agents {
  readonly Run: { create(config: object): Promise<Run> };
}
