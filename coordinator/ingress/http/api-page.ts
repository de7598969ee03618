import type { FastifyInstance } from 'fastify';

type Document = ReturnType<FastifyInstance['swagger']>;

interface Operation {
  readonly summary?: string;
  readonly description?: string;
  readonly tags?: readonly string[];
  readonly security?: readonly Record<string, unknown>[];
  readonly 'x-example'?: Example;
}

interface Example {
  readonly path?: string;
  /** Appended to the path of the route, such as `attempt=1`. */
  readonly query?: string;
  readonly body?: unknown;
  /** Name of a file that holds the body, if the body is not JSON. */
  readonly file?: string;
  /** The fields of a form, as arguments of curl. */
  readonly form?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
}

const PROSE_WIDTH = 108;

const CREDENTIAL: Readonly<Record<string, string>> = {
  apiKey: '$API_KEY',
  signIn: '$TOKEN',
  operatorKey: '$OPERATOR_KEY',
};

/** docs/api.md: every route with a call that works, generated from the route's own description. */
export function apiPage(documents: readonly Document[]): string {
  const lines = [
    '# The API',
    '',
    'This page is generated from the routes (the test `api-document` with `DINF_WRITE_API=1` writes it). The',
    'same content as OpenAPI 3.1 is in [openapi.json](openapi.json) and',
    '[openapi-operators.json](openapi-operators.json); a running network serves it at `/openapi.json`.',
    '',
    'The examples use these variables:',
    '',
    '- `$URL`: the URL that `npm start` prints, without `/v1`;',
    '- `$API_KEY`: the key that `npm start` prints;',
    '- `$TOKEN`: the sign-in token that `npx dinf sign-in` prints;',
    "- `$ADMIN_URL`: the address of the operators' routes (`DINF_ADMIN_PORT`);",
    '- `$OPERATOR_KEY`: an operator key, made with `npx dinf operator-key NAME`;',
    '- `$ID`: the id of the object that the call changes or reads;',
    '- `$ITEM`: the id of an item of a conversation;',
    '- `$JOB`: the `id` of a sealed session.',
    '',
    '`e2e/documentation/documentation.test.ts` runs every call on this page.',
    '',
    'Amounts are whole millionths of a US dollar. An error has the body',
    '`{"error": {"message", "type", "code", "param"}}` and the matching HTTP status; under `/v1/messages` it has',
    "Anthropic's form. A 429 always has the header `Retry-After`. The headers `x-ratelimit-*` contain what is left",
    'of the limits of a key: `requests`, `input-tokens`, `output-tokens`, and `tokens` for the limit of tokens of',
    'which the least is left.',
  ];
  for (const [group, operations] of byGroup(documents))
    lines.push('', `## ${group}`, ...operations.flatMap(section));
  return `${lines.join('\n')}\n`;
}

interface Entry {
  readonly method: string;
  readonly path: string;
  readonly operation: Operation;
}

function byGroup(documents: readonly Document[]): Map<string, Entry[]> {
  const groups = new Map<string, Entry[]>();
  for (const { paths = {} } of documents as readonly {
    paths?: Record<string, Record<string, Operation>>;
  }[]) {
    for (const [path, operations] of Object.entries(paths)) {
      for (const [method, operation] of Object.entries(operations)) {
        const group = operation.tags?.[0] ?? '';
        groups.set(group, [
          ...(groups.get(group) ?? []),
          { method: method.toUpperCase(), path, operation },
        ]);
      }
    }
  }
  return groups;
}

/** Wraps a text into lines of at most `PROSE_WIDTH` characters. */
function wrapped(text: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > PROSE_WIDTH) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}

function calledPath(path: string, example: Example = {}): string {
  const called =
    example.path ??
    path
      .replace('{name}', 'sim-llama-8b')
      .replace('{id}', '$ID')
      .replace('{item}', '$ITEM')
      .replace('{job}', '$JOB');
  return example.query === undefined ? called : `${called}?${example.query}`;
}

function section({ method, path, operation }: Entry): string[] {
  const schemes = (operation.security ?? []).flatMap(Object.keys);
  const example = operation['x-example'];
  const base = schemes.includes('operatorKey') ? '$ADMIN_URL' : '$URL';
  const call = [
    `curl ${method === 'GET' ? '' : `-X ${method} `}"${base}${calledPath(path, example)}"`,
    ...(schemes[0] === undefined ? [] : [`-H "Authorization: Bearer ${CREDENTIAL[schemes[0]]}"`]),
    ...Object.entries(example?.headers ?? {}).map(([name, value]) => `-H "${name}: ${value}"`),
    ...(example?.body === undefined
      ? []
      : ["-H 'Content-Type: application/json'", `-d '${JSON.stringify(example.body)}'`]),
    ...(example?.form ?? []).map((field) => `-F ${field}`),
    ...(example?.file === undefined ? [] : [`--data-binary @${example.file}`]),
  ];
  return [
    '',
    `### ${method} ${path}`,
    '',
    `${operation.summary}.`,
    '',
    ...wrapped(operation.description ?? ''),
    '',
    '```sh',
    call.join(' \\\n  '),
    '```',
  ];
}
