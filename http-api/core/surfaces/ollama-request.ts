import { invalid, isGiven, isObject, type JsonObject } from '../json.ts';

/** Lowers the requests of Ollama's `POST /api/chat` and `POST /api/generate`. */

/** Options of Ollama, and the fields of the chat contract that have their meaning. */
const OPTIONS: Readonly<Record<string, string>> = {
  temperature: 'temperature',
  top_p: 'top_p',
  top_k: 'top_k',
  min_p: 'min_p',
  seed: 'seed',
  stop: 'stop',
  repeat_penalty: 'repetition_penalty',
  presence_penalty: 'presence_penalty',
  frequency_penalty: 'frequency_penalty',
};
/** The first bytes of each image format, as base64. */
const IMAGE_TYPES: readonly (readonly [string, string])[] = [
  ['iVBORw0KGgo', 'image/png'],
  ['/9j/', 'image/jpeg'],
  ['R0lGOD', 'image/gif'],
  ['UklGR', 'image/webp'],
];

export function lowerChat(body: JsonObject): JsonObject {
  const { messages } = body;
  if (!Array.isArray(messages) || messages.length === 0)
    throw invalid('messages', 'messages is required and must be a non-empty array.');
  const calls = new OpenCalls();
  return {
    ...commonOf(body),
    messages: messages.map((message, index) => messageOf(message, `messages[${index}]`, calls)),
    ...(isGiven(body['tools']) && { tools: body['tools'] }),
  };
}

export function lowerGenerate(body: JsonObject): JsonObject {
  const { prompt, system, images } = body;
  if (typeof prompt !== 'string' || prompt === '')
    throw invalid('prompt', 'prompt is required and must be a text.');
  return {
    ...commonOf(body),
    messages: [
      ...(isGiven(system) && system !== '' ? [{ role: 'system', content: system }] : []),
      { role: 'user', content: contentOf(prompt, images, 'images') },
    ],
  };
}

function commonOf(body: JsonObject): JsonObject {
  const { model, stream, think, provider } = body;
  return {
    model,
    stream: stream !== false,
    ...optionsOf(body['options']),
    ...formatOf(body['format']),
    ...(isGiven(provider) && { provider }),
    // `think` may be true, or an effort such as "low".
    ...(isGiven(think) && {
      reasoning_effort: think === true ? 'medium' : think === false ? 'none' : think,
    }),
  };
}

function optionsOf(options: unknown): JsonObject {
  if (!isGiven(options)) return {};
  if (!isObject(options)) throw invalid('options', 'options must be an object.');
  const fields: JsonObject = {};
  for (const [name, field] of Object.entries(OPTIONS))
    if (isGiven(options[name])) fields[field] = options[name];
  const limit = options['num_predict'];
  // -1 means no limit.
  if (isGiven(limit) && limit !== -1) fields['max_tokens'] = limit;
  return fields;
}

function formatOf(format: unknown): JsonObject {
  if (!isGiven(format) || format === '') return {};
  if (format === 'json') return { response_format: { type: 'json_object' } };
  if (!isObject(format)) throw invalid('format', 'format must be "json" or a JSON schema.');
  return {
    response_format: { type: 'json_schema', json_schema: { name: 'answer', schema: format } },
  };
}

/** Ollama's tool calls have no ids. A result belongs to the oldest open call of its tool. */
class OpenCalls {
  readonly #open: { id: string; name: string }[] = [];
  #count = 0;

  add(name: string): string {
    this.#count += 1;
    const id = `call_${this.#count}`;
    this.#open.push({ id, name });
    return id;
  }

  answer(name: unknown): string {
    const at = this.#open.findIndex((call) => !isGiven(name) || call.name === name);
    return this.#open.splice(Math.max(at, 0), 1)[0]?.id ?? 'call_0';
  }
}

function messageOf(message: unknown, at: string, calls: OpenCalls): JsonObject {
  if (!isObject(message)) throw invalid('messages', `${at} must be an object.`);
  const { role, content, images, thinking, tool_calls: made, tool_name: name } = message;
  if (role === 'tool') return { role, tool_call_id: calls.answer(name), content: content ?? '' };
  return {
    role,
    content: contentOf(content ?? '', images, at),
    ...(typeof thinking === 'string' && thinking !== '' && { reasoning_content: thinking }),
    ...(Array.isArray(made) &&
      made.length > 0 && { tool_calls: made.map((call) => callOf(call, at, calls)) }),
  };
}

function callOf(call: unknown, at: string, calls: OpenCalls): JsonObject {
  const made = isObject(call) ? call['function'] : undefined;
  if (!isObject(made) || typeof made['name'] !== 'string')
    throw invalid('messages', `${at}.tool_calls needs a function with a name.`);
  const { name, arguments: input } = made;
  const text = typeof input === 'string' ? input : JSON.stringify(input ?? {});
  return { id: calls.add(name), type: 'function', function: { name, arguments: text } };
}

function contentOf(text: unknown, images: unknown, at: string): unknown {
  if (!isGiven(images)) return text;
  if (!Array.isArray(images) || !images.every((image) => typeof image === 'string'))
    throw invalid('images', `${at}: images must be an array of base64 texts.`);
  if (images.length === 0) return text;
  return [
    { type: 'text', text },
    ...images.map((image: string) => ({ type: 'image_url', image_url: { url: urlOf(image, at) } })),
  ];
}

function urlOf(image: string, at: string): string {
  const type = IMAGE_TYPES.find(([start]) => image.startsWith(start))?.[1];
  if (type === undefined)
    throw invalid('images', `${at}: an image must be PNG, JPEG, GIF or WebP.`);
  return `data:${type};base64,${image}`;
}
