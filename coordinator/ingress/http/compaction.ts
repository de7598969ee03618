import { invalid, isObject, type JsonObject } from '#http-api/core/json.ts';
import { responseUsage } from '#http-api/core/surfaces/response-resource.ts';
import { responses } from '#http-api/core/surfaces/responses.ts';
import { itemsOfInput } from '#http-api/core/surfaces/responses-conversation.ts';
import type { Surface } from '#http-api/core/surfaces/surface.ts';
import { openForCaller, sealForCaller } from '../caller-cipher.ts';

/**
 * `POST /v1/responses/compact`: the model summarises a conversation, and the caller gets the summary
 * as one item that it sends instead of the conversation. The item is encrypted under the caller's
 * API key, so that nothing is stored and logs of the caller do not show it.
 */

export interface CompactionOwner {
  readonly account: string;
  readonly secret: string;
}

/** The route, and the name of its surface. */
export const COMPACTION_PATH = '/v1/responses/compact';
const PURPOSE = 'dinf compaction';
/** Most tokens of a summary. */
const SUMMARY_TOKENS = 2_048;
const TASK =
  'Summarise the conversation above for an assistant that continues it and cannot read it. Keep every decision, fact, name, number, open task and result of a tool that may be needed. Answer with the summary only.';
const HEADING = 'Summary of the conversation so far:';

export function compactionFor(owner: CompactionOwner): Surface {
  return {
    ...responses,
    path: COMPACTION_PATH,
    lower: (body) => {
      if (body['stream'] === true)
        throw invalid('stream', 'A compaction is not streamed. Leave stream out.');
      const { tools: _tools, tool_choice: _choice, text: _text, ...rest } = body;
      return responses.lower({
        ...rest,
        input: [...itemsOfInput(body['input']), { role: 'user', content: TASK }],
        max_output_tokens: SUMMARY_TOKENS,
      });
    },
    stream: () => {
      throw new TypeError('a compaction is not streamed');
    },
    whole: ({ job, createdSeconds }, { text, end }) => ({
      id: `resp_${job}`,
      object: 'response.compaction',
      created_at: createdSeconds,
      output: [
        {
          id: `cmp_${job}`,
          type: 'compaction',
          encrypted_content: sealForCaller({ ...owner, purpose: PURPOSE }, text).toString('base64'),
        },
      ],
      usage: responseUsage(end),
    }),
  };
}

/** The request with each compaction of its input replaced by the summary that it holds. */
export function openCompactions(body: JsonObject, owner: CompactionOwner): JsonObject {
  const { input } = body;
  if (!Array.isArray(input) || !input.some(isCompaction)) return body;
  return {
    ...body,
    input: input.map((item, index) =>
      isCompaction(item) ? summaryOf(item, owner, `input[${index}]`) : item,
    ),
  };
}

const isCompaction = (item: unknown): item is JsonObject =>
  isObject(item) && item['type'] === 'compaction';

function summaryOf(item: JsonObject, owner: CompactionOwner, at: string): JsonObject {
  const sealed = Buffer.from(String(item['encrypted_content']), 'base64');
  try {
    const summary = openForCaller({ ...owner, purpose: PURPOSE }, sealed).toString();
    return { type: 'message', role: 'developer', content: `${HEADING}\n\n${summary}` };
  } catch {
    throw invalid('input', `${at}: this compaction was made with another API key, or was changed.`);
  }
}
