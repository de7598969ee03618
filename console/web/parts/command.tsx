import { CopyButton } from './copy-button.tsx';

/** A command for a shell, or another text to copy. */
export function Command({ text }: { text: string }) {
  return (
    <div class="secret">
      <code>{text}</code>
      <CopyButton text={text} />
    </div>
  );
}
