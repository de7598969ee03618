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
  return (
    <details class="seal">
      <summary>
        <Icon name="lock" />
        {isSealed ? t.chat.sealedSummary : t.chat.sealSummary}
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
        {isSealed && <LastMachine messages={messages} />}
      </div>
    </details>
  );
}

/** What was checked of the machine that answered last. */
function LastMachine({ messages }: { messages: readonly ChatMessage[] }) {
  const last = messages.findLast((message) => message.role === 'assistant' && message.serving);
  if (last?.role !== 'assistant' || last.serving?.sealed === undefined) return null;
  const { sealed } = last.serving;
  return (
    <>
      <dl>
        {rowsOf({ model: last.model, serving: last.serving, sealed }).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {sealed.isExternalEngine && <p>{t.chat.externalEngine}</p>}
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
