import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cacheFolder } from '#provider';
import { npmPackages } from '#testcontainers';
import { ROOT } from '../source-folders.ts';
import { expectedText, startTestNetwork } from '../test-network.ts';

/** Versions of the generator and of its client, and of the compiler that they need. */
const VERSION = '7.13.0';
const CLIENT = '0.17.0';
const COMPILER = '5.9.3';
const run = promisify(execFile);
const folder = join(cacheFolder(process.env), `openapi-typescript-${VERSION}-fetch-${CLIENT}`);

async function whyNot(): Promise<string | undefined> {
  try {
    await npmPackages(folder, [
      `openapi-typescript@${VERSION}`,
      `openapi-fetch@${CLIENT}`,
      `typescript@${COMPILER}`,
    ]);
    return undefined;
  } catch (error) {
    return `openapi-typescript ${VERSION} cannot be installed: ${String(error).split('\n').at(-2)?.slice(0, 120)}`;
  }
}
const reason = await whyNot();
const TYPES = 'node_modules/@types';

/** A program that uses the generated types. Each property is an error if the type is `never`. */
const PROGRAM = `
import type { paths } from './api.ts';
type Answer<Path extends keyof paths, Type extends string = 'application/json'> =
  paths[Path] extends { post: { responses: { 200: { content: Record<Type, infer Body> } } } } ? Body : never;
type Refusal = paths['/v1/chat/completions']['post']['responses']['4XX']['content']['application/json'];

export const chat = (answer: Answer<'/v1/chat/completions'>): string | null =>
  answer.choices[0]!.message.content;
export const chunk = (part: Answer<'/v1/chat/completions', 'text/event-stream'>): string | undefined =>
  part.choices[0]!.delta.content;
export const text = (answer: Answer<'/v1/completions'>): string => answer.choices[0]!.text;
export const message = (answer: Answer<'/v1/messages'>): number => answer.usage.output_tokens;
export const status = (answer: Answer<'/v1/responses'>): string => answer.status;
export const code = (refusal: Refusal): string => refusal.error.code;
export const model: paths['/v1/models/{name}']['get']['parameters']['path'] = { name: 'sim' };
// @ts-expect-error An answer has no such field, so its type is not any.
export const nom = (answer: Answer<'/v1/chat/completions'>) => answer.nom;
`;

/**
 * A program that calls the API through the generated types. A path, a field or a property of an
 * answer that the document does not describe does not compile.
 */
const CALLS = `
import createClient from 'openapi-fetch';
import type { paths } from './api.ts';

const [baseUrl = '', key = ''] = process.argv.slice(2);
const api = createClient<paths>({ baseUrl, headers: { authorization: 'Bearer ' + key } });
const question = [{ role: 'user' as const, content: 'Hi' }];

const chat = await api.POST('/v1/chat/completions', {
  body: { model: 'sim', messages: question, max_tokens: 5 },
});
const message = await api.POST('/v1/messages', {
  body: { model: 'sim', messages: question, max_tokens: 5 },
});
const response = await api.POST('/v1/responses', {
  body: { model: 'sim', input: 'Hi', max_output_tokens: 5 },
});
const stream = await api.POST('/v1/chat/completions', {
  body: { model: 'sim', messages: question, max_tokens: 5, stream: true },
  parseAs: 'text',
});
const models = await api.GET('/v1/models');
const model = await api.GET('/v1/models/{name}', { params: { path: { name: 'sim-llama-8b' } } });
const batches = await api.GET('/v1/batches', { params: { query: { limit: 1 } } });
const refused = await api.POST('/v1/chat/completions', {
  body: { model: 'no-such-model', messages: question },
});
// @ts-expect-error No route has this path.
await api.GET('/v1/nothing');

// The type of an answer is that of the whole answer or of an event of its stream.
const choice = chat.data?.choices[0];
const text: string | null | undefined =
  choice && 'message' in choice ? choice.message.content : undefined;
const tokens: number | undefined =
  message.data && 'usage' in message.data ? message.data.usage.output_tokens : undefined;
const status: string | undefined =
  response.data && 'status' in response.data ? response.data.status : undefined;
const code: string | undefined = refused.error?.error.code;
console.log(JSON.stringify({
  text, tokens, status, code,
  first: models.data?.data[0]?.id,
  model: model.data?.id,
  hasMore: batches.data?.has_more,
  stream: String(stream.data).trimEnd().endsWith('data: [DONE]'),
}));
`;

const tool = (name: string) => join(folder, 'node_modules', name);

/** Runs the compiler; resolves with what it prints, which is nothing without an error. */
const compile = (project: string, args: readonly string[]): Promise<string> =>
  run(process.execPath, [tool('typescript/bin/tsc'), '--strict', '--skipLibCheck', ...args], {
    cwd: project,
  }).then(
    () => '',
    ({ stdout }: { stdout: string }) => stdout,
  );

describe.skipIf(reason !== undefined)(`openapi-typescript (${reason ?? VERSION})`, () => {
  let project: string;
  beforeAll(async () => {
    project = await mkdtemp(join(tmpdir(), 'dinf-openapi-'));
    await symlink(join(folder, 'node_modules'), join(project, 'node_modules'));
    await writeFile(join(project, 'package.json'), '{"type": "module"}');
    const cli = tool('openapi-typescript/bin/cli.js');
    const document = join(ROOT, 'docs/openapi.json');
    await run(process.execPath, [cli, document, '--output', join(project, 'api.ts')]);
  }, 120_000);
  afterAll(() => rm(project, { recursive: true }));

  test('generates types that describe the answers', { timeout: 120_000 }, async () => {
    expect(await readFile(join(project, 'api.ts'), 'utf8')).toContain('postChatCompletions');
    await writeFile(join(project, 'program.ts'), PROGRAM);
    const options = ['--noEmit', '--allowImportingTsExtensions', '--module', 'esnext'];
    expect(await compile(project, [...options, 'program.ts'])).toBe('');
  });

  test('makes calls with these types that the API answers', { timeout: 180_000 }, async () => {
    await using network = await startTestNetwork({ providers: 1, tokenMs: 0 });
    await writeFile(join(project, 'calls.ts'), CALLS);
    const options = ['--target', 'esnext', '--module', 'nodenext', '--types', 'node'];
    const rewriting = ['--rewriteRelativeImportExtensions', '--typeRoots', join(ROOT, TYPES)];
    expect(await compile(project, [...options, ...rewriting, 'calls.ts'])).toBe('');
    const { stdout } = await run(process.execPath, ['calls.js', network.url, network.apiKey], {
      cwd: project,
    });
    expect(JSON.parse(stdout)).toEqual({
      text: expectedText([{ role: 'user', content: 'Hi' }], 5),
      tokens: 5,
      status: 'incomplete',
      code: 'model_not_found',
      first: expect.any(String),
      model: 'sim-llama-8b',
      hasMore: false,
      stream: true,
    });
  });
});
