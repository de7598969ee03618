import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import { messageOf } from '#bus-schemas/message-of.ts';
import type { SealedClient } from '#client';
import { positiveWholeNumber } from '../option-parsers.ts';
import { stopSignal } from '../stop-signal.ts';
import { apiKeyFor } from './api-key.ts';
import { type Ask, printable } from './chat-answer.ts';
import { askOnce, CHAT_HELP, type ChatOptions, ChatSession } from './chat-session.ts';
import { COORDINATOR, explainSealedError, LOG_KEY } from './log-options.ts';
import { levelOption, openSealedClient, ownSecret, type SealedOptions } from './sealed-session.ts';

interface Options extends SealedOptions {
  readonly system?: string;
  readonly once?: string;
  readonly maxTokens?: number;
}

/** Longest wait for the charge of an answer, and time between two questions for it. */
const COST_MS = 10_000;
const COST_STEP_MS = 100;
const MAX_SHOWN_MODELS = 20;

export function addChatCommand(program: Command): void {
  program
    .command('chat')
    .argument('[model]', 'the model; not needed if there is only one')
    .description(
      'talk to a model of the network; only the machine that answers can read the messages',
    )
    .option('--system <text>', 'instructions for the whole conversation')
    .option('--once <text>', 'print the answer to this message, and leave')
    .option(
      '--max-tokens <n>',
      'most tokens of an answer; its highest cost is set aside before it runs',
      positiveWholeNumber,
    )
    .option(...COORDINATOR)
    .addOption(levelOption())
    .option(...LOG_KEY)
    .addHelpText(
      'after',
      `
DINF_API_KEY holds the key that pays; the network of "dinf up" needs none to be set.
Text from a pipe is one message: cat notes.txt | dinf chat MODEL --system "Summarise this."
The answer goes to standard output, its tokens and its cost to standard error.
${CHAT_HELP}`,
    )
    .action((model: string | undefined, options: Options) => chat(model, options));
}

async function chat(named: string | undefined, options: Options): Promise<void> {
  const { coordinator, system, once } = options;
  const authorization = `Bearer ${await apiKeyFor(coordinator)}`;
  using client = await openSealedClient(options, (error) =>
    console.error(`The newest head of the log could not be saved: ${messageOf(error)}`),
  );
  const models = () => modelsOf(client, authorization);
  const explain = (error: unknown) => explained(error, models);
  const fail = async (error: unknown): Promise<never> => {
    throw new CommandError(exitOf(error), await explain(error), { cause: error });
  };
  await client.log.refresh().catch(explainSealedError).catch(fail);
  const model = named ?? onlyModel(await models().catch(fail));
  const session: ChatOptions = {
    ask: await asker(client, { model, authorization, maxTokens: options.maxTokens }),
    costOf: (job, signal) => costOf(client, { job, authorization, signal }),
    explain,
    system,
    output: process.stdout,
  };
  if (once === undefined && process.stdin.isTTY) {
    console.log(`${model}: messages are sealed for the machine that answers.\n${CHAT_HELP}\n`);
    return new ChatSession(process.stdin, session).run();
  }
  const message = once ?? (await pipedText(process.stdin));
  if (message.trim() === '')
    throw new CommandError(EXIT.usage, 'The message is empty: give one with --once, or by a pipe.');
  const stop = new AbortController();
  void stopSignal().then(() => stop.abort());
  const { answered, summary } = await askOnce(session, message, stop.signal).catch(fail);
  process.stdout.write('\n');
  console.error(summary);
  const { finish } = answered.end ?? { finish: 'error' };
  if (finish === 'out_of_memory')
    throw new CommandError(
      EXIT.failure,
      'The answer is not complete: the computer of the machine needed its memory. Send the message again.',
    );
  if (finish === 'error') throw new CommandError(EXIT.failure, 'The answer is not complete.');
}

async function pipedText(input: AsyncIterable<Buffer>): Promise<string> {
  const { MAX_REQUEST_BYTES } = await import('#bus-schemas');
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of input) {
    size += part.length;
    if (size > MAX_REQUEST_BYTES)
      throw new CommandError(
        EXIT.usage,
        `The text from the pipe is longer than a request may be, ${MAX_REQUEST_BYTES} bytes.`,
      );
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

interface Asker {
  readonly model: string;
  readonly authorization: string;
  readonly maxTokens: number | undefined;
}

async function asker(
  client: SealedClient,
  { model, authorization, maxTokens }: Asker,
): Promise<Ask> {
  const [{ askSealed }, { introspectChat }, secret] = await Promise.all([
    import('#client/proxy/sealed-request.ts'),
    import('#http-api/core/introspect.ts'),
    ownSecret(),
  ]);
  return async (messages, signal) => {
    const limit = maxTokens === undefined ? {} : { max_tokens: maxTokens };
    const intent = introspectChat({ model, messages: [...messages], ...limit });
    return askSealed({ client, intent, authorization, secret, signal });
  };
}

/** The charge of a job, which is booked some time after its answer has ended. */
async function costOf(
  client: SealedClient,
  { job, authorization, signal }: { job: string; authorization: string; signal: AbortSignal },
): Promise<number | undefined> {
  const call = { method: 'GET', path: `/v1/receipts/${job}`, headers: { authorization } } as const;
  const giveUpAt = performance.now() + COST_MS;
  while (performance.now() < giveUpAt && !signal.aborted) {
    // Until the receipt exists, the answer is an error.
    const receipt = await client.json({ ...call, signal }).catch(() => undefined);
    const charged = Number(receipt?.['charged_micro_usd']);
    if (Number.isSafeInteger(charged)) return charged;
    await delay(COST_STEP_MS);
  }
  return undefined;
}

async function modelsOf(client: SealedClient, authorization: string): Promise<string[]> {
  const { data } = await client.json({
    method: 'GET',
    path: '/v1/models',
    headers: { authorization },
  });
  return (Array.isArray(data) ? data : [])
    .filter(({ alias_of: isAlias, output_modalities: outputs }) => !isAlias && isForText(outputs))
    .map(({ id }) => printable(String(id)));
}

const isForText = (outputs: unknown): boolean => Array.isArray(outputs) && outputs.includes('text');

function onlyModel(models: readonly string[]): string {
  const [first, ...others] = models;
  if (first !== undefined && others.length === 0) return first;
  throw new CommandError(
    first === undefined ? EXIT.unavailable : EXIT.usage,
    first === undefined
      ? 'No machine of the network serves a model that this key may use.'
      : `Name a model: dinf chat MODEL. ${servedNow(models)}`,
  );
}

const servedNow = (models: readonly string[]): string =>
  `Models that are served now: ${models.slice(0, MAX_SHOWN_MODELS).join(', ')}${models.length > MAX_SHOWN_MODELS ? ', …' : ''}.`;

/** Remedies for errors whose own message does not name one for this command. */
const REMEDIES: Readonly<Record<string, string>> = {
  unreachable: '"dinf up" starts a network here; --coordinator or DINF_COORDINATOR names another.',
  invalid_api_key: 'DINF_API_KEY must hold a key of this network.',
  insufficient_quota: 'The option for it is --max-tokens.',
  context_length_exceeded: 'In a conversation, /clear begins a new one.',
  payload_too_large: 'In a conversation, /clear begins a new one.',
  stream_cut: 'Send the message again.',
};
const WITHOUT_MACHINE: readonly string[] = ['model_not_found', 'no_provider'];

async function explained(error: unknown, models: () => Promise<string[]>): Promise<string> {
  const { code, retryAfterMs } = error as { code?: string; retryAfterMs?: number };
  const parts = [messageOf(error)];
  if (retryAfterMs !== undefined) parts.push(`Try again in ${Math.ceil(retryAfterMs / 1_000)} s.`);
  if (code !== undefined && WITHOUT_MACHINE.includes(code)) {
    const served = await models().catch(() => []);
    if (served.length > 0) parts.push(servedNow(served));
  }
  const remedy = code === undefined ? undefined : REMEDIES[code];
  if (remedy !== undefined) parts.push(remedy);
  return printable(parts.join(' '));
}

function exitOf(error: unknown): (typeof EXIT)[keyof typeof EXIT] {
  if (error instanceof CommandError) return error.exitCode;
  return (error as { code?: string }).code === 'unreachable' ? EXIT.unavailable : EXIT.failure;
}
