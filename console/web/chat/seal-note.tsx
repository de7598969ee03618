import { CopyButton } from '../parts/copy-button.tsx';
import { Icon } from '../parts/icon.tsx';
import { t } from '../texts.ts';

/** Says who can read the chat, with the explanation one click away. */
export function SealNote() {
  return (
    <details class="seal">
      <summary>
        <Icon name="lock" />
        {t.chat.sealSummary}
      </summary>
      <div class="seal-text">
        <h2>{t.chat.sealTitle}</h2>
        {t.chat.sealText.map((text) => (
          <p key={text}>{text}</p>
        ))}
        <div class="secret">
          <code>{t.chat.sealCommand}</code>
          <CopyButton text={t.chat.sealCommand} />
        </div>
      </div>
    </details>
  );
}
