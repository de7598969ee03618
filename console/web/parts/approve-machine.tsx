import { useState } from 'preact/hooks';
import { call } from '../api/call.ts';
import type { Routes } from '../api/routes.ts';
import { PATHS } from '../router.ts';
import { useAction } from '../state/action.ts';
import { invalidate } from '../state/resource.ts';
import { t } from '../texts.ts';
import { ActionFailure } from './action-failure.tsx';
import { Field } from './field.tsx';
import { Ago, Status } from './figures.tsx';

/** Letters of a code, however a person typed them: "wdjb mjht" is "WDJB-MJHT". */
export function asUserCode(text: string): string {
  const letters = text.toUpperCase().replaceAll(/[^A-Z]/g, '');
  return letters.length === 8 ? `${letters.slice(0, 4)}-${letters.slice(4)}` : letters;
}

type Asking = Routes['GET /v1/device/request']['answer'];

/** Finds what asks with a code, shows it, and approves or denies it. */
export function ApproveMachine({ code: given }: { code: string }) {
  const [code, setCode] = useState(() => asUserCode(given));
  const [asking, setAsking] = useState<Asking>();
  if (asking) return <Decide code={asUserCode(code)} asking={asking} />;
  return <FindCode code={code} type={setCode} found={setAsking} />;
}

interface FindProps {
  readonly code: string;
  readonly type: (code: string) => void;
  readonly found: (asking: Asking) => void;
}

function FindCode({ code, type, found }: FindProps) {
  const action = useAction();
  const isComplete = /^[A-Z]{4}-[A-Z]{4}$/.test(asUserCode(code));
  const find = async () =>
    found(await call('GET /v1/device/request', { query: { user_code: asUserCode(code) } }));
  return (
    <form
      class="panel"
      onSubmit={(event) => {
        event.preventDefault();
        action.run(find);
      }}
    >
      <Field label={t.link.code} hint={t.link.codeHint}>
        {(attributes) => (
          <input
            {...attributes}
            class="user-code"
            type="text"
            autocomplete="off"
            spellcheck={false}
            value={code}
            onInput={({ currentTarget }) => type(currentTarget.value)}
          />
        )}
      </Field>
      <ActionFailure of={action} />
      <p class="actions">
        <button type="submit" class="button primary" disabled={action.isBusy || !isComplete}>
          {t.link.find}
        </button>
      </p>
    </form>
  );
}

function Decide({ code, asking }: { code: string; asking: Asking }) {
  const { purpose, client, address, asked_at } = asking;
  const [done, setDone] = useState<'approved' | 'denied'>();
  const action = useAction();
  const words = t.link[purpose];
  const decide = (approve: boolean) =>
    action.run(async () => {
      await call('POST /v1/device/approve', { body: { user_code: code, approve, purpose } });
      invalidate('machines');
      setDone(approve ? 'approved' : 'denied');
    });
  if (done)
    return (
      <div class="panel" role="status">
        <Status tone={done === 'approved' ? 'good' : 'notice'} text={words[done]} />
        {done === 'approved' && purpose === 'machine' && (
          <a href={PATHS.machines}>{t.link.toMachines}</a>
        )}
      </div>
    );
  return (
    <div class="panel">
      <h2>{words.title}</h2>
      <p>{words.text}</p>
      <dl class="facts">
        <div>
          <dt>{t.link.code}</dt>
          <dd>
            <code>{code}</code>
          </dd>
        </div>
        <div>
          <dt>{t.link.client}</dt>
          <dd>{client || t.details.unknown}</dd>
        </div>
        <div>
          <dt>{t.link.address}</dt>
          <dd>{address || t.details.unknown}</dd>
        </div>
        <div>
          <dt>{t.link.asked}</dt>
          <dd>
            <Ago at={asked_at} />
          </dd>
        </div>
      </dl>
      <ActionFailure of={action} />
      <p class="actions">
        <button
          type="button"
          class="button primary"
          disabled={action.isBusy}
          onClick={() => decide(true)}
        >
          {words.approve}
        </button>
        <button type="button" class="button" disabled={action.isBusy} onClick={() => decide(false)}>
          {t.link.deny}
        </button>
      </p>
    </div>
  );
}
