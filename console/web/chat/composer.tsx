import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { Icon } from '../parts/icon.tsx';
import { t } from '../texts.ts';
import { ACCEPTED_TYPES, type ImageFault, MAX_FILE_MB, MAX_IMAGES, readImage } from './images.ts';

interface ComposerProps {
  readonly isRunning: boolean;
  readonly canSend: boolean;
  /** Whether the model takes images. */
  readonly takesImages: boolean;
  readonly send: (question: { text: string; images: readonly string[] }) => void;
  readonly stop: () => void;
}

/** The field for a message. Enter sends it; Stop takes the place of Send while an answer runs. */
export function Composer({ isRunning, canSend, takesImages, send, stop }: ComposerProps) {
  const id = useId();
  const [text, setText] = useState('');
  const [images, setImages] = useState<readonly string[]>([]);
  const [fault, setFault] = useState<ImageFault | 'too_many'>();
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => field.current?.focus(), []);
  const shown = takesImages ? images : [];
  const isEmpty = text.trim() === '' && shown.length === 0;
  const submit = () => {
    if (isEmpty || isRunning || !canSend) return;
    setText('');
    setImages([]);
    setFault(undefined);
    send({ text: text.trim(), images: shown });
  };
  const add = async (files: readonly File[]) => {
    setFault(undefined);
    const room = MAX_IMAGES - images.length;
    if (files.length > room) setFault('too_many');
    for (const file of files.slice(0, room)) {
      const read = await readImage(file);
      if ('fault' in read) setFault(read.fault);
      else setImages((before) => [...before, read.url].slice(0, MAX_IMAGES));
    }
  };
  return (
    <form
      class="composer-form"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      {shown.length > 0 && (
        <ul class="attached">
          {shown.map((url, index) => (
            <li key={url}>
              <img src={url} alt={t.chat.imageNumber(index + 1)} />
              <button
                type="button"
                class="icon-button small"
                aria-label={t.chat.removeImage(index + 1)}
                onClick={() => setImages(images.filter((other) => other !== url))}
              >
                <Icon name="close" />
              </button>
            </li>
          ))}
        </ul>
      )}
      {fault && (
        <p class="problem" role="alert">
          {t.chat.imageFaults[fault](MAX_IMAGES, MAX_FILE_MB)}
        </p>
      )}
      <div class="composer">
        {takesImages && <ImageButton add={add} />}
        <label class="visually-hidden" for={id}>
          {t.chat.message}
        </label>
        <textarea
          id={id}
          ref={field}
          rows={2}
          value={text}
          placeholder={t.chat.placeholder}
          onInput={({ currentTarget }) => setText(currentTarget.value)}
          onPaste={(event) => {
            const files = imagesOf(event.clipboardData);
            if (!takesImages || files.length === 0) return;
            event.preventDefault();
            void add(files);
          }}
          onKeyDown={(event) => {
            if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
            event.preventDefault();
            submit();
          }}
        />
        {isRunning ? (
          <button type="button" class="button round" aria-label={t.chat.stop} onClick={stop}>
            <Icon name="stop" />
          </button>
        ) : (
          <button
            type="submit"
            class="button primary round"
            aria-label={t.chat.send}
            disabled={!canSend || isEmpty}
          >
            <Icon name="send" />
          </button>
        )}
      </div>
    </form>
  );
}

const imagesOf = (data: DataTransfer | null): File[] =>
  [...(data?.files ?? [])].filter(({ type }) => type.startsWith('image/'));

function ImageButton({ add }: { add: (files: readonly File[]) => Promise<void> }) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <input
        ref={input}
        type="file"
        hidden
        aria-label={t.chat.imageFiles}
        accept={ACCEPTED_TYPES}
        multiple
        onChange={({ currentTarget }) => {
          void add([...(currentTarget.files ?? [])]);
          currentTarget.value = '';
        }}
      />
      <button
        type="button"
        class="icon-button"
        aria-label={t.chat.addImages}
        title={t.chat.imageLimits(MAX_IMAGES, MAX_FILE_MB)}
        onClick={() => input.current?.click()}
      >
        <Icon name="image" />
      </button>
    </>
  );
}
