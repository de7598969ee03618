/** Code with which each client calls the network, as docs/clients describes and tests it. */

export interface Access {
  /** Origin of the network, without a path. */
  readonly url: string;
  readonly key: string;
  readonly model: string;
  /** Limits of the model, in tokens. */
  readonly contextTokens: number;
  readonly outputTokens: number;
}

export interface Snippet {
  /** What to do with the text: run it, or save it under this name. */
  readonly use: 'run' | 'install' | { readonly file: string };
  readonly text: string;
}

export interface Client {
  readonly id: string;
  readonly name: string;
  readonly snippets: (access: Access) => readonly Snippet[];
}

const QUESTION = 'What is 12 + 30?';
const run = (text: string): Snippet => ({ use: 'run', text });
const install = (text: string): Snippet => ({ use: 'install', text });
const file = (name: string, text: string): Snippet => ({ use: { file: name }, text });

export const CLIENTS: readonly Client[] = [
  {
    id: 'curl',
    name: 'curl',
    snippets: ({ url, key, model }) => [
      run(`curl ${url}/v1/chat/completions \\
  -H "Authorization: Bearer ${key}" \\
  -H "Content-Type: application/json" \\
  -d '{"model": "${model}", "messages": [{"role": "user", "content": "${QUESTION}"}]}'`),
    ],
  },
  {
    id: 'openai-python',
    name: 'OpenAI · Python',
    snippets: ({ url, key, model }) => [
      install('pip install openai'),
      file(
        'ask.py',
        `from openai import OpenAI

client = OpenAI(base_url="${url}/v1", api_key="${key}")
answer = client.chat.completions.create(
    model="${model}",
    messages=[{"role": "user", "content": "${QUESTION}"}],
)
print(answer.choices[0].message.content)`,
      ),
    ],
  },
  {
    id: 'openai-js',
    name: 'OpenAI · JavaScript',
    snippets: ({ url, key, model }) => [
      install('npm install openai'),
      file(
        'ask.mjs',
        `import OpenAI from 'openai';

const openai = new OpenAI({ baseURL: '${url}/v1', apiKey: '${key}' });
const { choices } = await openai.chat.completions.create({
  model: '${model}',
  messages: [{ role: 'user', content: '${QUESTION}' }],
});
console.log(choices[0].message.content);`,
      ),
    ],
  },
  {
    id: 'anthropic',
    name: 'Anthropic · JavaScript',
    snippets: ({ url, key, model }) => [
      install('npm install @anthropic-ai/sdk'),
      file(
        'ask.mjs',
        `import Anthropic from '@anthropic-ai/sdk';

const anthropic = new Anthropic({ baseURL: '${url}', apiKey: '${key}' });
const { content } = await anthropic.messages.create({
  model: '${model}',
  max_tokens: 200,
  messages: [{ role: 'user', content: '${QUESTION}' }],
});
for (const part of content) if (part.type === 'text') console.log(part.text);`,
      ),
    ],
  },
  {
    id: 'vercel-ai',
    name: 'Vercel AI SDK',
    snippets: ({ url, key, model }) => [
      install('npm install ai @ai-sdk/openai-compatible'),
      file(
        'ask.mjs',
        `import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { streamText } from 'ai';

const provider = createOpenAICompatible({
  name: 'd-inference',
  baseURL: '${url}/v1',
  apiKey: '${key}',
  includeUsage: true,
  supportsStructuredOutputs: true,
});
const { textStream } = streamText({ model: provider('${model}'), prompt: '${QUESTION}' });
for await (const text of textStream) process.stdout.write(text);`,
      ),
    ],
  },
  {
    id: 'langchain',
    name: 'LangChain',
    snippets: ({ url, key, model }) => [
      install('npm install @langchain/openai @langchain/core'),
      file(
        'ask.mjs',
        `import { ChatOpenAI } from '@langchain/openai';

const model = new ChatOpenAI({
  model: '${model}',
  apiKey: '${key}',
  configuration: { baseURL: '${url}/v1' },
});
console.log((await model.invoke('${QUESTION}')).text);`,
      ),
    ],
  },
  {
    id: 'claude-code',
    name: 'Claude Code',
    snippets: ({ url, key, model }) => [
      run(`export ANTHROPIC_BASE_URL=${url}
export ANTHROPIC_API_KEY=${key}
claude --model ${model}`),
    ],
  },
  {
    id: 'codex',
    name: 'Codex CLI',
    snippets: ({ url, key, model, contextTokens }) => [
      file(
        '~/.codex/config.toml',
        `model = "${model}"
model_provider = "dinf"
model_context_window = ${contextTokens}

[model_providers.dinf]
name = "d-inference"
base_url = "${url}/v1"
env_key = "DINF_API_KEY"
wire_api = "responses"`,
      ),
      run(`export DINF_API_KEY=${key}
codex exec "Read the file README.md."`),
    ],
  },
  {
    id: 'opencode',
    name: 'OpenCode',
    snippets: ({ url, key, model, contextTokens, outputTokens }) => [
      file(
        'opencode.json',
        JSON.stringify(
          {
            provider: {
              dinf: {
                npm: '@ai-sdk/openai-compatible',
                name: 'd-inference',
                options: { baseURL: `${url}/v1`, apiKey: '{env:DINF_API_KEY}' },
                models: {
                  [model]: {
                    tool_call: true,
                    limit: { context: contextTokens, output: outputTokens },
                  },
                },
              },
            },
          },
          undefined,
          2,
        ),
      ),
      run(`export DINF_API_KEY=${key}
opencode run --model dinf/${model} "Read the file README.md."`),
    ],
  },
  {
    id: 'open-webui',
    name: 'Open WebUI',
    snippets: ({ url, key }) => [
      run(`docker run -d -p 3000:8080 \\
  --add-host=host.docker.internal:host-gateway \\
  -e OPENAI_API_BASE_URL=${forContainers(url)}/v1 \\
  -e OPENAI_API_KEY=${key} \\
  -v open-webui:/app/backend/data \\
  --name open-webui ghcr.io/open-webui/open-webui:main`),
    ],
  },
];

/** Inside a container, the addresses of this machine mean the container itself. */
const forContainers = (url: string): string =>
  url.replace(/\/\/(127\.0\.0\.1|localhost)(?=[:/]|$)/, '//host.docker.internal');
