import { useState } from 'preact/hooks';
import { CopyButton } from '../parts/copy-button.tsx';
import { Field } from '../parts/field.tsx';
import { Loaded } from '../parts/loaded.tsx';
import { PATHS } from '../router.ts';
import { type OfferedModel, useModels, writesAnswers } from '../state/answers.ts';
import { newSecret } from '../state/new-secret.ts';
import { t } from '../texts.ts';
import { CLIENTS, type Snippet } from './quick-start-snippets.ts';

export function QuickStartPage() {
  const models = useModels();
  return (
    <>
      <h1>{t.quickStart.title}</h1>
      <p class="intro">{t.quickStart.intro}</p>
      <KeyNote />
      <Loaded of={models} lines={10}>
        {(offered) => <Guide offered={offered.filter(writesAnswers)} />}
      </Loaded>
    </>
  );
}

function KeyNote() {
  if (newSecret() !== undefined) return <p class="note">{t.quickStart.keyHere}</p>;
  return (
    <p class="note">
      {t.quickStart.keyMissing} <a href={PATHS.keys}>{t.quickStart.createKey}</a>
    </p>
  );
}

function Guide({ offered }: { offered: readonly OfferedModel[] }) {
  const [clientId, setClient] = useState('curl');
  const [chosen, setModel] = useState<string>();
  const client = CLIENTS.find(({ id }) => id === clientId) ?? CLIENTS[0];
  const able = offered.filter(({ capacity }) => (capacity?.routable_providers ?? 0) > 0);
  const current = offered.find(({ model }) => model.id === chosen) ?? able[0] ?? offered[0];
  if (client === undefined) return null;
  const snippets = client.snippets({
    url: location.origin,
    key: newSecret() ?? t.quickStart.placeholder,
    model: current?.model.id ?? 'MODEL',
    contextTokens: current?.model.context_length ?? 0,
    outputTokens: current?.model.max_output_length ?? 0,
  });
  return (
    <div class="guide">
      <div class="guide-choice">
        <Field label={t.quickStart.model}>
          {(attributes) => (
            <select
              {...attributes}
              value={current?.model.id}
              onChange={({ currentTarget }) => setModel(currentTarget.value)}
            >
              {offered.map(({ model }) => (
                <option key={model.id} value={model.id}>
                  {model.display_name}
                </option>
              ))}
            </select>
          )}
        </Field>
        <fieldset class="choices">
          <legend>{t.quickStart.client}</legend>
          {CLIENTS.map(({ id, name }) => (
            <label key={id} class={id === client.id ? 'choice chosen' : 'choice'}>
              <input
                type="radio"
                name="client"
                value={id}
                checked={id === client.id}
                onChange={() => setClient(id)}
              />
              {name}
            </label>
          ))}
        </fieldset>
      </div>
      <div class="guide-code">
        {snippets.map((snippet) => (
          <Code key={client.id + snippet.text} snippet={snippet} />
        ))}
      </div>
    </div>
  );
}

function Code({ snippet: { use, text } }: { snippet: Snippet }) {
  const title = typeof use === 'string' ? t.quickStart[use] : t.quickStart.save(use.file);
  return (
    <figure class="code">
      <figcaption>
        {title}
        <CopyButton text={text} />
      </figcaption>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: long lines are scrolled by keyboard */}
      <pre tabIndex={0}>
        <code>{text}</code>
      </pre>
    </figure>
  );
}
