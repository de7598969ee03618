import { connect } from 'node:tls';
import { messageOf } from '#bus-schemas/message-of.ts';
import type { CoordinatorFact, Facts } from '#provider/doctor/facts.ts';
import { coordinatorFact, hubFact } from '#provider/doctor/reach.ts';

const TIMEOUT_MS = 5_000;
const ANSWER_LIMIT_MS = 60_000;
/** Long enough that its parts arrive one after the other, if no proxy collects them. */
const ANSWER_TOKENS = 40;
const QUESTION = 'Count from one to twenty in words.';
/** Routes that only operators may read. */
const OPERATOR_ROUTES = ['/metrics', '/admin/fleet', '/admin/accounts'];

/** What a stranger, and a customer with a key, can learn about a network. */
export interface NetworkFacts {
  readonly url: string;
  readonly coordinator: CoordinatorFact;
  /** Milliseconds since 1970; undefined without TLS. */
  readonly certificateExpiresAt: number | undefined;
  readonly hubs: Facts['hubs'];
  readonly models: readonly { readonly model: string; readonly serves: boolean }[] | undefined;
  /** Routes of operators that answered without a key. */
  readonly openRoutes: readonly string[];
  /** Undefined without a key. */
  readonly answer: AnswerFact | undefined;
  readonly now: number;
}

type AnswerFact =
  | { readonly state: 'refused'; readonly model: string; readonly detail: string }
  | {
      readonly state: 'streamed';
      readonly model: string;
      readonly firstMs: number;
      readonly wholeMs: number;
      /** Number of times at which a part of the answer arrived. */
      readonly arrivals: number;
    };

/** Reads all facts about the network at this address. */
export async function collectNetworkFacts(
  url: string,
  apiKey: string | undefined,
): Promise<NetworkFacts> {
  const now = Date.now();
  const [coordinator, certificateExpiresAt, hubs, models, openRoutes] = await Promise.all([
    coordinatorFact(url, now),
    certificateExpiry(url),
    hubsOf(url),
    modelsOf(url),
    openRoutesOf(url),
  ]);
  const answer = apiKey === undefined ? undefined : await askAny(url, apiKey, models ?? []);
  return { url, coordinator, certificateExpiresAt, hubs, models, openRoutes, answer, now };
}

async function certificateExpiry(url: string): Promise<number | undefined> {
  const { protocol, hostname, port } = new URL(url);
  if (protocol !== 'https:') return undefined;
  const { promise, resolve } = Promise.withResolvers<number | undefined>();
  // A certificate that is not accepted has a date as well.
  const options = { host: hostname, port: Number(port) || 443, servername: hostname };
  const socket = connect({ ...options, rejectUnauthorized: false, timeout: TIMEOUT_MS }, () =>
    resolve(socket.getPeerX509Certificate()?.validToDate.getTime()),
  );
  socket.once('timeout', () => resolve(undefined));
  socket.once('error', () => resolve(undefined));
  const expiry = await promise;
  socket.destroy();
  return expiry;
}

async function hubsOf(url: string): Promise<Facts['hubs']> {
  const found = await answerOf<{ leaf_urls?: string[] }>(url, '/v1/providers/hubs');
  return Promise.all((found?.leaf_urls ?? []).map(hubFact));
}

const modelsOf = async (url: string): Promise<NetworkFacts['models']> =>
  (await answerOf<{ models?: { model: string; serves: boolean }[] }>(url, '/v1/status'))?.models;

async function openRoutesOf(url: string): Promise<string[]> {
  const open: string[] = [];
  for (const route of OPERATOR_ROUTES)
    if ((await call(url, route).catch(() => undefined))?.ok) open.push(route);
  return open;
}

const call = (url: string, path: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(new URL(path, url), { headers, signal: AbortSignal.timeout(TIMEOUT_MS) });

async function answerOf<Answer>(
  url: string,
  path: string,
  headers?: Record<string, string>,
): Promise<Answer | undefined> {
  try {
    const response = await call(url, path, headers);
    return response.ok ? ((await response.json()) as Answer) : undefined;
  } catch {
    return undefined;
  }
}

/** Asks a model that a machine serves; undefined if none of them writes answers. */
async function askAny(
  url: string,
  apiKey: string,
  models: NonNullable<NetworkFacts['models']>,
): Promise<AnswerFact | undefined> {
  const authorization = `Bearer ${apiKey}`;
  const listed = await answerOf<{ data?: { id: string; output_modalities: string[] }[] }>(
    url,
    '/v1/models',
    { authorization },
  );
  // Models that compute embeddings write nothing. If the key is refused, any model shows it.
  const silent = new Set(
    listed?.data?.flatMap(({ id, output_modalities: of }) => (of.includes('text') ? [] : [id])),
  );
  const model = models.find((one) => one.serves && !silent.has(one.model))?.model;
  return model === undefined ? undefined : ask(url, { authorization, model });
}

/** Lets a machine answer one question, and writes down when parts of the answer arrive. */
async function ask(
  url: string,
  { authorization, model }: { authorization: string; model: string },
): Promise<AnswerFact> {
  const begun = performance.now();
  try {
    const response = await fetch(new URL('/v1/chat/completions', url), {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      body: JSON.stringify({
        model,
        messages: [{ role: 'user', content: QUESTION }],
        max_tokens: ANSWER_TOKENS,
        stream: true,
      }),
      signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
    });
    if (!response.ok || response.body === null)
      return { state: 'refused', model, detail: `${response.status} ${await response.text()}` };
    let [firstMs, arrivals, text] = [0, 0, ''];
    const decoder = new TextDecoder();
    for await (const part of response.body) {
      firstMs ||= performance.now() - begun;
      arrivals += 1;
      text += decoder.decode(part, { stream: true });
    }
    return text.includes('data: [DONE]')
      ? { state: 'streamed', model, firstMs, wholeMs: performance.now() - begun, arrivals }
      : { state: 'refused', model, detail: 'the stream ended early' };
  } catch (error) {
    return { state: 'refused', model, detail: messageOf(error) };
  }
}
