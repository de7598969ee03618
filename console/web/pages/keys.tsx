import { useState } from 'preact/hooks';
import { call } from '../api/call.ts';
import { money } from '../format/money.ts';
import { timeAhead } from '../format/time.ts';
import { Confirm } from '../parts/confirm.tsx';
import { Ago, Money, Status } from '../parts/figures.tsx';
import { Icon } from '../parts/icon.tsx';
import { Empty, Loaded } from '../parts/loaded.tsx';
import { Table } from '../parts/table.tsx';
import { type ApiKey, useKeys } from '../state/answers.ts';
import { useNow } from '../state/now.ts';
import { closestLimit, type UsedLimit } from '../state/required-actions.ts';
import { invalidate } from '../state/resource.ts';
import { t } from '../texts.ts';
import { KeyForm } from './key-form.tsx';
import { KeySecret } from './key-secret.tsx';

/** The dialog that is open, if any. */
type Open =
  | { readonly kind: 'create' }
  | { readonly kind: 'edit' | 'rotate' | 'revoke'; readonly key: ApiKey }
  | { readonly kind: 'secret'; readonly secret: string; readonly isNew: boolean };

export function KeysPage() {
  const keys = useKeys();
  const [open, setOpen] = useState<Open>();
  /** Closes this dialog, unless its action has opened the next one. */
  const close = () => setOpen((shown) => (shown === open ? undefined : shown));
  const showSecret = (secret: string, isNew: boolean) => setOpen({ kind: 'secret', secret, isNew });
  return (
    <>
      <div class="page-head">
        <h1>{t.keys.title}</h1>
        <button type="button" class="button primary" onClick={() => setOpen({ kind: 'create' })}>
          <Icon name="plus" />
          {t.keys.create}
        </button>
      </div>
      <p class="intro">{t.keys.intro}</p>
      <Loaded of={keys} lines={6}>
        {(list) =>
          list.length === 0 ? (
            <Empty title={t.keys.emptyTitle} text={t.keys.empty} />
          ) : (
            <KeyTable keys={list} open={setOpen} />
          )
        }
      </Loaded>
      {open?.kind === 'create' && (
        <KeyForm close={close} created={(secret) => showSecret(secret, true)} />
      )}
      {open?.kind === 'edit' && <KeyForm edited={open.key} close={close} />}
      {open?.kind === 'rotate' && (
        <RotateKey of={open.key} close={close} rotated={(secret) => showSecret(secret, false)} />
      )}
      {open?.kind === 'revoke' && <RevokeKey of={open.key} close={close} />}
      {open?.kind === 'secret' && (
        <KeySecret secret={open.secret} isNew={open.isNew} close={close} />
      )}
    </>
  );
}

function KeyTable({ keys, open }: { keys: readonly ApiKey[]; open: (dialog: Open) => void }) {
  return (
    <Table
      caption={t.keys.title}
      columns={[
        { title: t.keys.name },
        { title: t.keys.status },
        { title: t.keys.allowed },
        { title: t.keys.spent, isRight: true },
        { title: t.keys.lastUsed },
        { title: t.keys.actions, isHidden: true },
      ]}
    >
      {keys.map((key) => (
        <KeyRow key={key.id} of={key} open={open} />
      ))}
    </Table>
  );
}

const nameOf = ({ name }: ApiKey): string => name || t.keys.unnamed;

function KeyRow({ of: key, open }: { of: ApiKey; open: (dialog: Open) => void }) {
  return (
    <tr>
      <td data-label={t.keys.name}>
        <span class="two-lines">
          <span class="strong">{nameOf(key)}</span>
          <code class="quiet">{key.label}</code>
        </span>
      </td>
      <td data-label={t.keys.status}>
        <KeyStatus of={key} />
      </td>
      <td data-label={t.keys.allowed}>{allowedBy(key)}</td>
      <td data-label={t.keys.spent} class="right">
        <Spent of={key} />
      </td>
      <td data-label={t.keys.lastUsed}>
        {key.last_used_at === null ? t.keys.neverUsed : <Ago at={key.last_used_at} />}
      </td>
      <td class="row-actions">
        {(['edit', 'rotate', 'revoke'] as const).map((kind) => (
          <button
            key={kind}
            type="button"
            class={kind === 'revoke' ? 'button small danger-text' : 'button small'}
            aria-label={t.keys.of(t.keys[kind], nameOf(key))}
            onClick={() => open({ kind, key })}
          >
            {t.keys[kind]}
          </button>
        ))}
      </td>
    </tr>
  );
}

function allowedBy({ allowed_models: models, self_route_only: onlyOwn }: ApiKey): string {
  const named = models === null ? t.keys.allModels : models.join(', ');
  return onlyOwn ? `${named} · ${t.keys.onlyOwn}` : named;
}

function KeyStatus({ of: { disabled, expires_at: expires } }: { of: ApiKey }) {
  const now = useNow();
  if (disabled) return <Status tone="quiet" text={t.keys.disabled} />;
  if (expires === null) return <Status tone="good" text={t.keys.active} />;
  if (Date.parse(expires) <= now) return <Status tone="bad" text={t.keys.expired} />;
  return <Status tone="good" text={t.keys.expiresWhen(timeAhead(Date.parse(expires), now))} />;
}

function Spent({ of: key }: { of: ApiKey }) {
  const limit = closestLimit(key);
  return (
    <span class="two-lines">
      <Money micro={key.spent_micro_usd.month} />
      {limit && <LimitMeter limit={limit} />}
    </span>
  );
}

/** How much of a limit is used, as a bar and as text. */
function LimitMeter({ limit: { window, spent, limit, share } }: { limit: UsedLimit }) {
  const text = t.keys.limitOf(money(spent), money(limit), t.windows[window]);
  return (
    <span class="limit">
      <meter
        min={0}
        max={1}
        high={0.8}
        low={0.8}
        optimum={0}
        value={Math.min(share, 1)}
        aria-label={text}
      />
      <span class="quiet">{text}</span>
    </span>
  );
}

interface KeyDialogProps {
  readonly of: ApiKey;
  readonly close: () => void;
}

function RotateKey({
  of: key,
  close,
  rotated,
}: KeyDialogProps & { rotated: (secret: string) => void }) {
  const rotate = async () => {
    const { key: secret } = await call('POST /v1/keys/{id}/rotate', { path: { id: key.id } });
    invalidate('keys');
    rotated(secret);
  };
  return (
    <Confirm
      title={t.keyActions.rotateTitle(nameOf(key))}
      text={t.keyActions.rotateText}
      action={t.keyActions.rotate}
      run={rotate}
      close={close}
    />
  );
}

function RevokeKey({ of: key, close }: KeyDialogProps) {
  const revoke = async () => {
    await call('DELETE /v1/keys/{id}', { path: { id: key.id } });
    invalidate('keys');
  };
  return (
    <Confirm
      title={t.keyActions.revokeTitle(nameOf(key))}
      text={t.keyActions.revokeText}
      action={t.keyActions.revoke}
      run={revoke}
      close={close}
    />
  );
}
