import { Compile } from 'typebox/compile';
import { expect } from 'vitest';
import type { Operation } from './operations.ts';

/**
 * What an answer must contain where the API's documents have no schema for it: texts, in this
 * order.
 */
const CONTAINS: Readonly<Record<string, readonly string[]>> = {
  'POST /v1/chat/completions': ['"object":"chat.completion', '"choices":['],
  'POST /v1/responses': ['"object":"response"', '"output":['],
  'POST /v1/responses/compact': ['"object":"response.compaction"', '"encrypted_content":'],
  'POST /v1/completions': ['"object":"text_completion"', '"choices":['],
  'POST /v1/messages': ['"type":"message"', '"content":['],
  'POST /api/chat': ['"message":{"role":"assistant"', '"done":true'],
  'POST /api/generate': ['"response":"', '"done":true'],
  'POST /v1/sealed/jobs/{job}': ['data: {"seq":0', '"sealed":"'],
  'POST /v1/sealed/jobs': ['data: {"seq":0', '"sealed":"'],
  'POST /v1/device/code': ['"device_code":', '"user_code":', '"verification_uri":', '"interval":'],
  'POST /v1/device/token': ['"access_token":', '"token_type":', '"expires_in":'],
  'POST /v1/webhooks/stripe': ['"received":true', '"result":'],
  'GET /v1/messages/batches/{id}/results': ['"custom_id":"1"', '"type":"succeeded"'],
  'GET /v1/files/{id}/content': ['"custom_id":"1"'],
  'GET /metrics': ['# HELP dinf_'],
  'GET /readyz': ['"'],
};

export function expectAnswer({ name, reply }: Operation, text: string): void {
  const contains = CONTAINS[name];
  if (contains !== undefined) {
    expect(text.replaceAll('": ', '":'), name).toMatch(
      new RegExp(contains.map(escaped).join('.*'), 's'),
    );
    return;
  }
  if (reply === undefined)
    throw new Error(
      `${name} has no schema of its answer: add it to the route, or to the table of answers`,
    );
  expect(faultsIn(reply, JSON.parse(text)), `${name} answered ${text}`).toEqual([]);
}

function faultsIn(schema: object, value: unknown): string[] {
  return Compile(schema)
    .Errors(value)
    .map(({ instancePath, message }) => `${instancePath} ${message}`);
}

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
