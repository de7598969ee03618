import { useId } from 'preact/hooks';
import { CopyButton } from '../parts/copy-button.tsx';
import { Dialog } from '../parts/dialog.tsx';
import { goTo, PATHS } from '../router.ts';
import { keepNewSecret } from '../state/new-secret.ts';
import { t } from '../texts.ts';

interface KeySecretProps {
  readonly secret: string;
  readonly isNew: boolean;
  readonly close: () => void;
}

/** Shows the secret of a key, the only time that it exists outside of its owner's programs. */
export function KeySecret({ secret, isNew, close }: KeySecretProps) {
  const id = useId();
  const useInQuickStart = () => {
    keepNewSecret(secret);
    goTo(PATHS.quickStart);
  };
  return (
    <Dialog
      title={isNew ? t.keySecret.createdTitle : t.keySecret.rotatedTitle}
      close={close}
      dismissable={false}
    >
      <p>{t.keySecret.once}</p>
      <label class="visually-hidden" for={id}>
        {t.keySecret.label}
      </label>
      <div class="secret">
        <input
          id={id}
          type="text"
          readOnly
          value={secret}
          onFocus={({ currentTarget }) => currentTarget.select()}
        />
        <CopyButton text={secret} />
      </div>
      <div class="dialog-actions">
        <button type="button" class="button" onClick={useInQuickStart}>
          {t.keySecret.quickStart}
        </button>
        <button type="button" class="button primary" onClick={close}>
          {t.keySecret.done}
        </button>
      </div>
    </Dialog>
  );
}
