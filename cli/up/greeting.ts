import { isCheckout } from '#bus-schemas/program-folders.mjs';
import type { RealModel } from './real-models.ts';

export interface Greeting {
  readonly url: string;
  /** URL of the API for other machines; undefined if only this machine reaches it. */
  readonly publicUrl: string | undefined;
  /** Signs the owner in to the console once; undefined without a console, or if their first key does not work any more. */
  readonly consoleLink: string | undefined;
  readonly apiKey: string;
  readonly providers: number;
  /** The real models, the chosen one first; undefined if no provider serves them. */
  readonly real: { readonly engine: string; readonly models: readonly RealModel[] } | undefined;
  /** Folder with the keys and the ledger. */
  readonly home: string;
  readonly seconds: number;
}

/** The name of the program as users of this copy type it: a checkout needs `npx`. */
const DINF = isCheckout() ? 'npx dinf' : 'dinf';

export function greet({
  url: localUrl,
  publicUrl,
  consoleLink,
  apiKey,
  providers,
  real,
  home,
  seconds,
}: Greeting): void {
  const url = publicUrl ?? localUrl;
  const models = [
    ...(real?.models ?? []).map(
      ({ alias, about }) => `"${alias}" is ${about}. It runs on the engine ${real?.engine}.`,
    ),
    ...(providers === 0
      ? []
      : [
          `"sim" is ${providers} simulated Mac${providers === 1 ? '' : 's'} that answer${providers === 1 ? 's' : ''} with made-up text.`,
        ]),
  ];
  const { alias: model, question } = real?.models[0] ?? { alias: 'sim', question: 'Hello' };
  console.log(`
d-inference is up (${seconds.toFixed(1)} s). ${models.length === 0 ? 'No provider runs yet: start one with dinf simulate or dinf provider.' : models.join('\n')}

${
  consoleLink === undefined
    ? ''
    : `  console    ${consoleLink}
             (works once, within an hour; "${DINF} sign-in --link" prints another)

`
}  base URL   ${url}/v1
  API key    ${apiKey}

  curl ${url}/v1/chat/completions \\
    -H "Authorization: Bearer ${apiKey}" -H "Content-Type: application/json" \\
    -d '{"model": "${model}", "stream": true, "messages": [{"role": "user", "content": "${question}"}]}'

For Anthropic's SDK the base URL is ${url} and the key is the same. The key belongs to your account: "${DINF} sign-in"
prints a token for ${url}/v1/me, /v1/keys, /v1/usage and the other routes in docs/api.md.

${publicUrl === undefined ? '' : joining(publicUrl)}Ctrl-C stops the network. Its keys and its ledger stay in ${home}.
`);
}

const joining = (
  publicUrl: string,
): string => `Another machine serves models with   ${DINF} provider --link --coordinator ${publicUrl}
It shows a code; approve it here with   ${DINF} approve CODE

`;
