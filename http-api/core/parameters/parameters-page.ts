import { encodingSurfaces } from '../encodings/encoding-surfaces.ts';
import { surfaces } from '../surfaces/surfaces.ts';
import { IGNORED_HEADER, type Parameter, type ParameterTable } from './parameter.ts';

/** docs/parameters.md: every parameter of every route that runs a model. */
export function parametersPage(): string {
  const lines = [
    '# The parameters of requests',
    '',
    'This page is generated from `http-api/core/parameters/` (the test `parameters` with `DINF_WRITE_API=1`',
    'writes it). It lists every parameter of the published schemas of OpenAI, OpenResponses, OpenRouter,',
    'Anthropic and Ollama. No parameter is ignored silently:',
    '',
    '- **supported**: it has the effect that its API describes;',
    '- **refused**: the answer is 400 with the name of the parameter in `param`. The values in parentheses ask',
    '  for nothing and are accepted;',
    `- **no effect**: it is accepted, and the header \`${IGNORED_HEADER}\` of the answer names it.`,
    '',
    'A field that is not on this page is refused. Null counts as absent. A row such as `tools[]: web_search` is',
    'about the elements of this `type` in a list. An element that asks for nothing is left out, and the header',
    'names its type.',
  ];
  for (const { path, parameters } of [...surfaces, ...encodingSurfaces])
    lines.push(
      '',
      `## POST ${path}`,
      '',
      '| parameter | use | reason |',
      '|---|---|---|',
      ...rowsOf(parameters, ''),
    );
  return `${lines.join('\n')}\n`;
}

const rowsOf = (table: ParameterTable, prefix: string): string[] =>
  Object.entries(table)
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .flatMap(([name, parameter]) => [
      `| \`${prefix}${name}\` | ${useOf(parameter)} | ${'reason' in parameter ? parameter.reason : ''} |`,
      ...('fields' in parameter ? rowsOf(parameter.fields ?? {}, `${prefix}${name}.`) : []),
      ...('types' in parameter ? rowsOf(parameter.types ?? {}, `${prefix}${name}[]: `) : []),
    ]);

function useOf(parameter: Parameter): string {
  switch (parameter.use) {
    case 'supported':
      return 'supported';
    case 'ignored':
      return 'no effect';
    case 'refused': {
      const values = parameter.neutral.map((value) => `\`${JSON.stringify(value)}\``);
      return values.length === 0 ? 'refused' : `refused (${values.join(', ')})`;
    }
  }
}
