import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ModelServerUnderTest } from '../engine/upstream/model-server-under-test.ts';
import { saveSettings } from '../service/settings.ts';
import { findingsOf } from './check.ts';
import { collectFacts } from './collect.ts';
import { checks } from './doctor.ts';

let home: string;
let server: ModelServerUnderTest;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'dinf-doctor-'));
  server = await ModelServerUnderTest.start();
  server.answers['/v1/models'] = { data: [{ id: 'qwen3:4b' }, { id: 'llama3:8b' }] };
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(home, { recursive: true });
});

/** The findings of the doctor for a machine that serves these models of a model server. */
async function found(models: readonly string[], upstream: readonly string[]) {
  await saveSettings(home, {
    coordinator: 'http://127.0.0.1:9',
    engine: 'openai',
    models: [...models],
    concurrency: 4,
    idleMinutes: 0,
    link: false,
    isPaused: false,
    upstream: [...upstream],
  });
  const findings = findingsOf(checks, await collectFacts(home, '0.1.0'));
  return ['engine', 'models'].map((name) => {
    const { state, text } = findings.find((finding) => finding.name === name) ?? {};
    return `${state}: ${text}`;
  });
}

test('models of a model server are asked of the server, not looked for on the disk', async () => {
  const url = ['--upstream', server.url];
  const runs = `ok: The model server at ${server.url} runs the models.`;
  expect(await found(['llama3:8b'], url)).toEqual([
    runs,
    'ok: The machine serves 1 model of the model server.',
  ]);
  expect(await found([], url)).toEqual([
    runs,
    'ok: The machine serves 2 models of the model server.',
  ]);
  expect(await found(['llama3:8b', 'other'], url)).toEqual([
    runs,
    'advice: The model server does not offer other.',
  ]);
  expect(await found(['other'], url)).toEqual([
    runs,
    'fault: The model server offers none of the chosen models: other.',
  ]);
});

test('a model server that cannot be asked is a fault of the engine', async () => {
  const away = 'http://127.0.0.1:9/v1';
  expect(await found(['llama3:8b'], ['--upstream', away])).toEqual([
    `fault: The model server at ${away} cannot be used: http://127.0.0.1:9 does not answer.`,
    'unknown: The model server does not answer.',
  ]);
  expect((await found([], ['--upstream', 'http://192.0.2.1:80/v1']))[0]).toMatch(
    'fault: The model server at http://192.0.2.1:80/v1 cannot be used: 192.0.2.1 may be another machine',
  );
  expect(await found([], [])).toEqual([
    'fault: No model server is named.',
    'unknown: The model server does not answer.',
  ]);
});
