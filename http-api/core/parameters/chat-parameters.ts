import { chatFields } from '../chat-schema.ts';
import { ignored, type ParameterTable, refused, supportedFields } from './parameter.ts';
import { openAiHints, openRouter, streamOptions } from './shared-parameters.ts';

const USE_TOOLS = 'Use tools and tool_choice instead.';
const ONLY_TEXT = 'Answers are text.';

/** `POST /v1/chat/completions` of OpenAI and OpenRouter. */
export const chatParameters: ParameterTable = {
  ...supportedFields(chatFields),
  stream_options: streamOptions,
  ...openAiHints,
  ...openRouter,
  reasoning: refused('Use reasoning_effort.', {}),
  metadata: ignored('It belongs to stored answers, and none is stored.'),
  store: ignored('No answer of this route is stored.'),
  modalities: refused(ONLY_TEXT, ['text'], []),
  audio: refused(ONLY_TEXT),
  prediction: ignored('It could only make an answer faster.'),
  verbosity: ignored('The models have no such setting.'),
  web_search_options: refused('Models have no access to the web.'),
  functions: refused(USE_TOOLS, []),
  function_call: refused(USE_TOOLS),
  top_a: refused('This sampler is not available.', 0),
};
