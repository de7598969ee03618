import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type OpenAI from 'openai';
import { describe, expect, test } from 'vitest';
import { setting } from '#bus-schemas/settings/settings.ts';
import { ApiError } from '../../errors.ts';
import { chat } from '../surfaces/chat.ts';
import { completions } from '../surfaces/completions.ts';
import { messages } from '../surfaces/messages.ts';
import { responses } from '../surfaces/responses.ts';
import type { Surface } from '../surfaces/surface.ts';
import { namesInInterface } from './official-names.ts';
import official from './official-parameters.json' with { type: 'json' };
import { checkParameters, ignoredHeader, type ParameterTable } from './parameter.ts';
import { parametersPage } from './parameters-page.ts';

/** With DINF_WRITE_API=1 this test writes the page. */
const ROOT = join(import.meta.dirname, '../../..');
const PAGE = join(ROOT, 'docs/parameters.md');

const SURFACES: Readonly<Record<string, Surface>> = {
  '/chat/completions': chat,
  '/completions': completions,
  '/messages': messages,
  '/responses': responses,
  '/responses/compact': responses,
  '/responses/input_tokens': responses,
};
/** Declarations of the SDKs among the development dependencies, which are newer than any copy. */
const SDKS: readonly (readonly [string, string, Surface])[] = [
  ['@anthropic-ai/sdk/resources/messages/messages.d.ts', 'MessageCreateParamsBase', messages],
  ['@anthropic-ai/sdk/resources/beta/messages/messages.d.ts', 'MessageCreateParamsBase', messages],
  ['openai/resources/chat/completions/completions.d.ts', 'ChatCompletionCreateParamsBase', chat],
  ['openai/resources/completions.d.ts', 'CompletionCreateParamsBase', completions],
  ['openai/resources/responses/responses.d.ts', 'ResponseCreateParamsBase', responses],
];

/** Types of tools in OpenAI's SDK. The compiler reports a type that is missing here. */
const TOOL_TYPES: Readonly<Record<OpenAI.Responses.Tool['type'], true>> = {
  apply_patch: true,
  code_interpreter: true,
  computer: true,
  computer_use_preview: true,
  custom: true,
  file_search: true,
  function: true,
  image_generation: true,
  local_shell: true,
  mcp: true,
  namespace: true,
  programmatic_tool_calling: true,
  shell: true,
  tool_search: true,
  web_search: true,
  web_search_2025_08_26: true,
  web_search_preview: true,
  web_search_preview_2025_03_11: true,
};

/** Names that are not in the table. Fields of an object count if the table lists its fields. */
function missingIn(table: ParameterTable, names: readonly string[]): string[] {
  return names.filter((name) => {
    const [field = '', inner] = name.split('.', 2);
    const parameter = table[field];
    if (parameter === undefined) return true;
    const fields = parameter.use === 'supported' ? parameter.fields : undefined;
    return inner !== undefined && fields !== undefined && fields[inner] === undefined;
  });
}

describe('the table of parameters', () => {
  test.each(
    Object.entries(official).flatMap(([file, { parameters }]) =>
      Object.entries(parameters).map(([path, names]) => ({ file, path, names })),
    ),
  )('has every parameter of $path in $file', ({ path, names }) => {
    expect(names.length).toBeGreaterThan(4);
    expect(missingIn(SURFACES[path]?.parameters ?? {}, names)).toEqual([]);
  });

  test.each(SDKS)('has every parameter of %s, %s', (file, name, { parameters }) => {
    const names = namesInInterface(readFileSync(join(ROOT, 'node_modules', file), 'utf8'), name);
    expect(names.length).toBeGreaterThan(15);
    expect(missingIn(parameters, names)).toEqual([]);
  });

  test("has every type of tool in OpenAI's SDK", () => {
    const tools = responses.parameters['tools'];
    const types = tools?.use === 'supported' ? Object.keys(tools.types ?? {}) : [];
    expect(types.toSorted()).toEqual(Object.keys(TOOL_TYPES));
  });

  test('lacks a parameter that no schema has', () => {
    expect(missingIn(chat.parameters, ['model', 'nom', 'stream_options.nom'])).toEqual([
      'nom',
      'stream_options.nom',
    ]);
  });

  test('is the content of docs/parameters.md (DINF_WRITE_API=1 writes it)', () => {
    if (setting('DINF_WRITE_API')) writeFileSync(PAGE, parametersPage());
    expect(existsSync(PAGE) && readFileSync(PAGE, 'utf8')).toBe(parametersPage());
  });
});

const checked = (surface: Surface, body: Record<string, unknown>) =>
  checkParameters(surface.parameters, body);
function refusalOf(surface: Surface, body: Record<string, unknown>) {
  try {
    checked(surface, body);
  } catch (error) {
    if (error instanceof ApiError) return { param: error.param, message: error.message };
    throw error;
  }
  return undefined;
}

describe('a request', () => {
  test('with an unknown field is refused with its name', () => {
    expect(refusalOf(chat, { model: 'sim', nom: 1 })).toEqual({
      param: 'nom',
      message: 'Unknown field `nom`.',
    });
    expect(refusalOf(chat, { stream_options: { nom: true } })).toEqual({
      param: 'stream_options',
      message: 'Unknown field `stream_options.nom`.',
    });
    expect(refusalOf(chat, { 'stream_options.include_usage': true })?.param).toBe(
      'stream_options.include_usage',
    );
    expect(refusalOf(chat, { constructor: 1 })?.param).toBe('constructor');
  });

  test.each([
    [chat, 'audio', { voice: 'a' }],
    [chat, 'modalities', ['text', 'audio']],
    [chat, 'functions', [{}]],
    [chat, 'web_search_options', {}],
    [chat, 'transforms', ['middle-out']],
    [responses, 'truncation', 'auto'],
    [messages, 'mcp_servers', [{}]],
    [messages, 'container', 'c'],
  ] as const)('is refused for a parameter whose effect is missing: %#', (surface, name, value) => {
    const refusal = refusalOf(surface, { [name]: value });
    expect(refusal?.param).toBe(name);
    expect(refusal?.message).toMatch(new RegExp(`^${name} is not supported: .+\\.$`));
  });

  test.each([
    [chat, { modalities: ['text'], transforms: [], n: null, nom: null }],
    [responses, { truncation: 'disabled' }],
    [messages, { mcp_servers: [], container: null }],
  ] as const)('may have values that ask for nothing: %#', (surface, body) => {
    expect(checked(surface, body)).toEqual({ fields: {}, ignored: [] });
  });

  test('gets the names of the fields that have no effect', () => {
    const { fields, ignored } = checked(responses, {
      input: 'Hi',
      service_tier: 'flex',
      text: { verbosity: 'low', format: { type: 'text' } },
      max_tool_calls: 3,
    });
    expect(fields).toEqual({ input: 'Hi', text: { format: { type: 'text' } } });
    expect(ignoredHeader(ignored)).toEqual({
      'x-dinf-ignored': 'service_tier, text.verbosity, max_tool_calls',
    });
    expect(ignoredHeader([])).toEqual({});
  });
});
