import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cacheFolder } from '#provider';
import { npmPackages } from '#testcontainers';
import { ROOT } from '../source-folders.ts';

/** Version of the generator that is tested, and of the compiler that it needs. */
const VERSION = '7.13.0';
const COMPILER = '5.9.3';
const run = promisify(execFile);
const folder = join(cacheFolder(process.env), `openapi-typescript-${VERSION}`);

async function whyNot(): Promise<string | undefined> {
  try {
    await npmPackages(folder, [`openapi-typescript@${VERSION}`, `typescript@${COMPILER}`]);
    return undefined;
  } catch (error) {
    return `openapi-typescript ${VERSION} cannot be installed: ${String(error).split('\n').at(-2)?.slice(0, 120)}`;
  }
}
const reason = await whyNot();

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

describe.skipIf(reason !== undefined)(`openapi-typescript (${reason ?? VERSION})`, () => {
  let project: string;
  beforeAll(async () => {
    project = await mkdtemp(join(tmpdir(), 'dinf-openapi-'));
  });
  afterAll(() => rm(project, { recursive: true }));

  test('generates types that describe the answers', { timeout: 60_000 }, async () => {
    const tool = (name: string) => join(folder, 'node_modules', name);
    const generated = join(project, 'api.ts');
    await run(process.execPath, [
      tool('openapi-typescript/bin/cli.js'),
      join(ROOT, 'docs/openapi.json'),
      '--output',
      generated,
    ]);
    expect(await readFile(generated, 'utf8')).toContain('postChatCompletions');
    const program = join(project, 'program.ts');
    await writeFile(program, PROGRAM);
    const options = ['--noEmit', '--strict', '--skipLibCheck', '--allowImportingTsExtensions'];
    const compiled = run(
      process.execPath,
      [tool('typescript/bin/tsc'), ...options, '--module', 'esnext', program],
      { cwd: project },
    ).then(
      () => '',
      ({ stdout }: { stdout: string }) => stdout,
    );
    expect(await compiled).toBe('');
  });
});
