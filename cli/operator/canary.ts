import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import { messageOf } from '#bus-schemas/message-of.ts';
import { coordinatorUrl } from '#bus-schemas/running-network.ts';
import { setting } from '#bus-schemas/settings/settings.ts';
import type { Bus } from '#coordinator/bus.ts';
import { positiveWholeNumber } from '../option-parsers.ts';
import { withBus } from './with-bus.ts';

/**
 * Questions whose answers are known, asked like any other: a machine that answers them as another
 * model would serves another model.
 * What one engine answers greedily another may not, where two words are nearly as likely: so a
 * question has all answers that are right.
 */
interface Canary {
  readonly model: string;
  readonly messages: readonly { readonly role: string; readonly content: string }[];
  readonly max_tokens: number;
  readonly answers: readonly string[];
}

interface CanaryOptions {
  readonly file: string;
  readonly coordinator: string;
  readonly every: number;
  readonly once?: boolean;
  readonly learn?: string;
  readonly accuse?: boolean;
  readonly prove?: boolean;
}

/** One wrong answer may be chance, of the machine or of the question. */
const WRONG_ANSWERS = 2;
/** Right answers that end a probation: a single one may be chance. */
const RIGHT_ANSWERS = 2;
const TIMEOUT_MS = 120_000;

export function addCanaryCommand(program: Command): void {
  program
    .command('canary')
    .description(
      'ask every machine questions whose answers are known, with DINF_API_KEY, and say who serves another model',
    )
    .requiredOption(
      '--file <json>',
      'the questions: [{"model", "messages", "max_tokens", "answers"}]',
    )
    .option('--coordinator <url>', 'the network', coordinatorUrl(process.env))
    .option('--every <seconds>', 'how often', positiveWholeNumber, 3_600)
    .option('--once', 'ask once')
    .option(
      '--learn <provider>',
      'write down what this machine answers, which has to be one that is believed, instead',
    )
    .option(
      '--accuse',
      'have trust shut out whoever answers wrongly; it stays out until "dinf trust pardon"',
    )
    .option('--prove', 'end the probation of machines whose answers are right')
    .action((options: CanaryOptions) =>
      options.accuse || options.prove
        ? withBus((bus) => runCanary(options, bus))
        : runCanary(options, undefined),
    );
}

async function runCanary(options: CanaryOptions, bus: Bus | undefined): Promise<void> {
  const apiKey = setting('DINF_API_KEY');
  if (apiKey === undefined)
    throw new CommandError(EXIT.usage, 'DINF_API_KEY names the key that pays for the questions.');
  const ask = (canary: Canary, provider: string) =>
    answerOf({ url: options.coordinator, apiKey, canary, provider });
  for (;;) {
    const canaries = JSON.parse(await readFile(options.file, 'utf8')) as Canary[];
    if (options.learn !== undefined) return learn(options.file, canaries, options.learn, ask);
    for (const provider of await providersOf(options.coordinator))
      await judge(provider, canaries, ask, { bus, ...options });
    if (options.once) return;
    await delay(options.every * 1_000);
  }
}

type Ask = (canary: Canary, provider: string) => Promise<string | undefined>;

interface Consequences extends Pick<CanaryOptions, 'accuse' | 'prove'> {
  readonly bus: Bus | undefined;
}

async function judge(
  provider: string,
  canaries: readonly Canary[],
  ask: Ask,
  { bus, accuse, prove }: Consequences,
): Promise<void> {
  let [asked, wrong] = [0, 0];
  for (const canary of canaries) {
    const answer = await ask(canary, provider);
    if (answer === undefined) continue;
    asked += 1;
    if (!canary.answers.includes(answer)) wrong += 1;
  }
  if (asked === 0) return;
  const isCaught = wrong >= WRONG_ANSWERS;
  console.log(
    `${provider}  ${asked - wrong} of ${asked} right${isCaught ? ': it serves another model' : ''}`,
  );
  if (bus === undefined) return;
  const { services } = await import('#bus-schemas');
  if (isCaught && accuse) {
    await bus.call(services.trust.accuse, { provider }, { timeoutMs: 5_000 });
    console.log(`${provider}  is out`);
  } else if (prove && !isCaught && asked - wrong >= RIGHT_ANSWERS) {
    const { proven } = await bus.call(services.trust.prove, { provider }, { timeoutMs: 5_000 });
    if (proven) console.log(`${provider}  is proven`);
  }
}

async function learn(
  file: string,
  canaries: readonly Canary[],
  provider: string,
  ask: Ask,
): Promise<void> {
  const learned: Canary[] = [];
  for (const canary of canaries) {
    const answer = await ask(canary, provider);
    if (answer === undefined)
      throw new CommandError(EXIT.failure, `${provider} does not answer for ${canary.model}.`);
    learned.push({ ...canary, answers: [...new Set([...canary.answers, answer])] });
  }
  await writeFile(file, `${JSON.stringify(learned, undefined, 2)}\n`);
  console.log(`${learned.length} answers are written down.`);
}

/**
 * Undefined where the machine does not serve the model now, or does not answer: one machine must
 * not keep the others from being asked.
 */
async function answerOf({
  url,
  apiKey,
  canary,
  provider,
}: {
  url: string;
  apiKey: string;
  canary: Canary;
  provider: string;
}): Promise<string | undefined> {
  const { answers: _, ...request } = canary;
  try {
    const response = await fetch(new URL('/v1/chat/completions', url), {
      method: 'POST',
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ ...request, temperature: 0, provider: { only: [provider] } }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const answer = (await response.json()) as {
      choices?: { message?: { content?: string } }[];
      error?: { message?: string };
    };
    if (response.ok) return answer.choices?.[0]?.message?.content ?? '';
    if (response.status < 500 && response.status !== 429)
      throw new CommandError(
        EXIT.failure,
        `${canary.model}: ${answer.error?.message ?? response.status}`,
      );
  } catch (error) {
    if (error instanceof CommandError) throw error;
    console.log(`${provider}  does not answer: ${messageOf(error)}`);
  }
  return undefined;
}

async function providersOf(url: string): Promise<string[]> {
  const providers: string[] = [];
  for (let after = ''; ; ) {
    const page = new URL(`/v1/providers/attestation${after === '' ? '' : `?after=${after}`}`, url);
    const { data, next } = (await (await fetch(page)).json()) as {
      data: { evidence: { provider: string } }[];
      next?: string;
    };
    providers.push(...data.map(({ evidence }) => evidence.provider));
    if (next === undefined) return providers;
    after = next;
  }
}
