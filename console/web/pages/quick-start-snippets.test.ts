import { expect, test } from 'vitest';
import { type Access, CLIENTS } from './quick-start-snippets.ts';

const access: Access = {
  url: 'http://127.0.0.1:8080',
  key: 'sk-db-test',
  model: 'tiny',
  contextTokens: 2_048,
  outputTokens: 512,
};

test.each(CLIENTS)('the code for $name has the address and the key', ({ id, snippets }) => {
  const text = snippets(access)
    .map((snippet) => snippet.text)
    .join('\n');
  expect(text).toContain('sk-db-test');
  expect(text).toContain(id === 'open-webui' ? 'host.docker.internal:8080' : access.url);
  if (id !== 'open-webui') expect(text).toContain('tiny');
});

test('the settings of OpenCode are JSON', () => {
  const [settings] = CLIENTS.find(({ id }) => id === 'opencode')?.snippets(access) ?? [];
  expect(JSON.parse(settings?.text ?? '')).toMatchObject({
    provider: { dinf: { models: { tiny: { limit: { context: 2_048, output: 512 } } } } },
  });
});

test('a network at another address keeps its name in a container', () => {
  const [snippet] =
    CLIENTS.find(({ id }) => id === 'open-webui')?.snippets({
      ...access,
      url: 'https://api.example.com',
    }) ?? [];
  expect(snippet?.text).toContain('OPENAI_API_BASE_URL=https://api.example.com/v1');
});
