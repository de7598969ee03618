import type { InferenceRequest } from '#bus-schemas';
import { FUNCTIONS } from '../../models/harmony/harmony-prompt.ts';
import { type AnswerFormat, callableTools, wantedSchema } from './grammars.ts';

/**
 * The form that a request requires of an answer in the Harmony format, or undefined if any answer is
 * allowed. A form that is required begins at once, without reasoning before it.
 */
export function harmonyFormatOf(chat: InferenceRequest['chat']): AnswerFormat | undefined {
  const { tools, isRequired, stopsAfterFirst } = callableTools(chat);
  if (tools !== undefined)
    return {
      type: 'triggered_tags',
      triggers: [CALL],
      tags: tools.map(({ function: { name, parameters } }) => ({
        type: 'tag',
        begin: `${CALL}${name} <|constrain|>json<|message|>`,
        content: { type: 'json_schema', json_schema: parameters ?? { type: 'object' } },
        // The token that ends a call ends the answer too, and no grammar may contain such a token.
        end: '',
      })),
      at_least_one: isRequired,
      stop_after_first: stopsAfterFirst,
    };
  const schema = wantedSchema(chat);
  if (schema === undefined) return undefined;
  const begin = chat.continue_final_message === true ? '' : '<|channel|>final<|message|>';
  const elements = [
    { type: 'const_string', value: begin },
    { type: 'json_schema', json_schema: schema },
  ];
  return { type: 'sequence', elements: begin === '' ? elements.slice(1) : elements };
}

const CALL = `<|channel|>commentary to=${FUNCTIONS}`;
