import { CopyButton } from '../parts/copy-button.tsx';
import { Icon } from '../parts/icon.tsx';
import { t } from '../texts.ts';
import type { AnsweredBy, ChatMessage, CheckedMachine } from './conversation.ts';

interface SealNoteProps {
  readonly isSealed: boolean;
  readonly messages: readonly ChatMessage[];
}

/** Says who can read the chat, with the explanation one click away. */
export function SealNote({ isSealed, messages }: SealNoteProps) {
  const texts = isSealed ? t.chat.sealedText : t.chat.sealText;
  const checked = lastChecked(messages);
  return (
    <details class="seal">
      <summary>
        <Icon name="lock" />
        {isSealed ? sealedSummary(checked) : t.chat.sealSummary}
      </summary>
      <div class="seal-text">
        <h2>{t.chat.sealTitle}</h2>
        {texts.map((text) => (
          <p key={text}>{text}</p>
        ))}
        <div class="secret">
          <code>{t.chat.sealCommand}</code>
          <CopyButton text={t.chat.sealCommand} />
        </div>
        {isSealed && checked && <CheckedFacts checked={checked} />}
      </div>
    </details>
  );
}

const sealedSummary = (checked: Checked | undefined): string =>
  checked ? t.chat.sealedSummary : t.chat.willSealSummary;

/** The machine of the last answer; undefined if there is none, or if that answer was relayed. */
function lastChecked(messages: readonly ChatMessage[]): Checked | undefined {
  const last = messages.findLast((message) => message.role === 'assistant' && message.serving);
  if (last?.role !== 'assistant' || last.serving?.sealed === undefined) return undefined;
  return { model: last.model, serving: last.serving, sealed: last.serving.sealed };
}

/** What was checked of a machine before a message was sealed for it. */
function CheckedFacts({ checked }: { checked: Checked }) {
  return (
    <>
      <dl>
        {rowsOf(checked).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {checked.sealed.isExternalEngine && <p>{t.chat.externalEngine}</p>}
    </>
  );
}

interface Checked {
  readonly model: string;
  readonly serving: AnsweredBy;
  readonly sealed: CheckedMachine;
}

function rowsOf({ model, serving, sealed }: Checked): (readonly [string, string])[] {
  const level = serving.level ?? '';
  return [
    [t.chat.sealedMachine, serving.provider ?? ''],
    [t.chat.sealedLevel, t.chat.levels[level] ?? level],
    [t.chat.sealedRelease, `${sealed.version} · ${sealed.codeHash}`],
    [t.chat.sealedModel, `${model} → ${sealed.build}`],
    [t.chat.sealedWeights, sealed.weights ?? t.chat.noWeights],
  ];
}
