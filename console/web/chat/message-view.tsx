import { groupedDigits } from '../format/numbers.ts';
import { duration } from '../format/time.ts';
import { Money } from '../parts/figures.tsx';
import { t } from '../texts.ts';
import type {
  AnsweredBy,
  ChatAnswer,
  ChatMessage,
  ChosenBecause,
  ToolResult,
} from './conversation.ts';
import { Markdown } from './markdown-view.tsx';
import { ToolCalls } from './tool-calls.tsx';

interface MessageProps {
  readonly message: ChatMessage;
  /** The results of calls in the whole conversation. */
  readonly results: readonly ToolResult[];
  /** Sends the results of this message's calls, if it waits for them. */
  readonly answerCalls: ((results: readonly ToolResult[]) => void) | undefined;
}

export function MessageView({ message, results, answerCalls }: MessageProps) {
  switch (message.role) {
    case 'user':
      return (
        <article class="message question" aria-label={t.chat.you}>
          {message.images?.map((url, index) => (
            <img key={index} src={url} alt={t.chat.imageNumber(index + 1)} />
          ))}
          {message.text !== '' && <p>{message.text}</p>}
        </article>
      );
    case 'tool':
      // It stands beside the call that it answers.
      return null;
    case 'assistant':
      return <AnswerView answer={message} results={results} answerCalls={answerCalls} />;
  }
}

function AnswerView({
  answer,
  results,
  answerCalls,
}: Omit<MessageProps, 'message'> & { readonly answer: ChatAnswer }) {
  const isRunning = answer.end.kind === 'running';
  const calls = answer.toolCalls ?? [];
  const isEmpty = answer.text === '' && answer.reasoning === '' && calls.length === 0;
  return (
    <article class="message answer" aria-label={answer.model} aria-busy={isRunning}>
      <h2 class="message-model">{answer.model}</h2>
      {answer.reasoning !== '' && (
        <details class="reasoning">
          <summary>{t.chat.reasoning}</summary>
          <Markdown text={answer.reasoning} />
        </details>
      )}
      {answer.text !== '' && <Markdown text={answer.text} />}
      {isRunning && isEmpty && <p class="quiet waiting">{t.chat.waiting}</p>}
      {calls.length > 0 && <ToolCalls calls={calls} results={results} answer={answerCalls} />}
      <EndNote answer={answer} />
      {!isRunning && <Evidence answer={answer} />}
      {!isRunning && answer.serving?.choice && <Why choice={answer.serving.choice} />}
    </article>
  );
}

function EndNote({ answer: { end } }: { answer: ChatAnswer }) {
  switch (end.kind) {
    case 'running':
    case 'complete':
      return null;
    case 'length':
      return <p class="hint">{t.chat.cutShort}</p>;
    case 'stopped':
      return <p class="hint">{t.chat.stopped}</p>;
    case 'failed':
      return (
        <p class="problem" role="alert">
          {t.chat.failed(end.message || t.chat.brokenOff)}
        </p>
      );
    case 'refused':
      return (
        <p class="problem" role="alert">
          {t.chat.refused(end.message)}
        </p>
      );
  }
}

/** What the answer cost, how long it took, and which machine wrote it. */
function Evidence({ answer }: { answer: ChatAnswer }) {
  const { serving, costMicroUsd, promptTokens, completionTokens, firstContentMs } = answer;
  if (serving === undefined) return null;
  return (
    <ul class="evidence">
      <li>{costMicroUsd === undefined ? t.chat.costUnknown : <Money micro={costMicroUsd} />}</li>
      {promptTokens !== undefined && completionTokens !== undefined && (
        <li>{t.chat.figures(groupedDigits(promptTokens), groupedDigits(completionTokens))}</li>
      )}
      {firstContentMs !== undefined && <li>{t.chat.firstContent(duration(firstContentMs))}</li>}
      <MachineNote serving={serving} />
    </ul>
  );
}

/** The reasons for the machine, one click away. */
function Why({ choice: { attempts, queuedMs, expectedMs, terms } }: { choice: ChosenBecause }) {
  const parts = Object.entries(terms).filter(([, ms]) => Math.round(ms) !== 0);
  return (
    <details class="why">
      <summary>{t.chat.why}</summary>
      {queuedMs >= 1 && <p>{t.chat.queued(duration(queuedMs))}</p>}
      {attempts > 1 && <p>{t.chat.attempts(attempts)}</p>}
      <p>{t.chat.whyText(duration(expectedMs))}</p>
      <ul>
        {parts.map(([name, ms]) => (
          <li key={name}>
            {t.routing.terms[name] ?? name.replaceAll('_', ' ')}: {duration(ms)}
          </li>
        ))}
      </ul>
    </details>
  );
}

/** Characters of a machine's key that are shown; its title has all of them. */
const SHOWN_KEY = 8;

function MachineNote({ serving }: { serving: AnsweredBy }) {
  const { provider, chip, level, isSimulated, sealed } = serving;
  if (provider === undefined) return null;
  const name = [chip, isSimulated ? t.chat.simulated : undefined].filter(Boolean).join(', ');
  return (
    <li title={provider}>
      {name || t.chat.machine(`${provider.slice(0, SHOWN_KEY)}…`)}
      {level !== undefined && ` · ${t.chat.levels[level] ?? level}`}
      {sealed && ` · ${t.chat.sealed}`}
    </li>
  );
}
