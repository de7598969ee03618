import { expect, test } from 'vitest';
import { chat } from '#http-api/core/surfaces/chat.ts';
import type { ChoiceFormat } from '#http-api/core/surfaces/surface.ts';
import { answerChoices } from './choices-exchange.ts';
import type { InferenceExchange } from './inference-exchange.ts';

test.each([
  ['n', {}, { 'idempotency-key': 'again' }],
  ['n', { stream: true }, { 'x-dinf-receipt': 'on' }],
  ['models', { models: ['other'] }, {}],
])('several choices are refused because of %s: %j %j', async (param, fields, headers) => {
  // It is refused before anything else of the exchange is used.
  const exchange = { request: { headers } } as unknown as InferenceExchange;
  const bodies = [
    { model: 'sim', ...fields },
    { model: 'sim', ...fields },
  ];
  await expect(answerChoices(bodies, chat.choices as ChoiceFormat, exchange)).rejects.toMatchObject(
    { code: 'invalid_request', param },
  );
});
