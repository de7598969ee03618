import { send } from '../api/call.ts';
import { browserName } from '../format/browser-name.ts';
import { useAction } from '../state/action.ts';
import { invalidate, useResource } from '../state/resource.ts';
import { t } from '../texts.ts';
import { ActionFailure } from './action-failure.tsx';
import { Dialog } from './dialog.tsx';
import { Ago } from './figures.tsx';
import { Loaded } from './loaded.tsx';

/** A session as `GET /console/sessions` lists it. */
interface ListedSession {
  readonly id: string;
  readonly is_current: boolean;
  readonly last_used_at: string;
  readonly user_agent: string;
  readonly address: string;
}

/** The browsers that are signed in to the account; each other one can be signed out. */
export function SessionList({ close }: { close: () => void }) {
  const sessions = useResource('sessions', async () => {
    const response = await send({ method: 'GET', path: '/console/sessions' });
    return ((await response.json()) as { data: ListedSession[] }).data;
  });
  const action = useAction();
  const end = async (id: string) => {
    await send({ method: 'DELETE', path: `/console/sessions/${id}` });
    invalidate('sessions');
  };
  return (
    <Dialog title={t.sessions.title} close={close}>
      <p class="hint">{t.sessions.text}</p>
      <Loaded of={sessions} lines={4}>
        {(list) => (
          <ul class="sessions">
            {list.map((session) => (
              <SessionRow
                key={session.id}
                session={session}
                isBusy={action.isBusy}
                end={() => action.run(() => end(session.id))}
              />
            ))}
          </ul>
        )}
      </Loaded>
      <ActionFailure of={action} />
    </Dialog>
  );
}

interface SessionRowProps {
  readonly session: ListedSession;
  readonly isBusy: boolean;
  readonly end: () => void;
}

function SessionRow({ session, isBusy, end }: SessionRowProps) {
  const { is_current: isCurrent, user_agent: userAgent, address, last_used_at: usedAt } = session;
  const name = browserName(userAgent) ?? t.sessions.unknownBrowser;
  return (
    <li>
      <span class="two-lines" title={userAgent}>
        <span class="strong">{name}</span>
        <span class="hint">
          {address} · {t.sessions.lastUsed} <Ago at={usedAt} />
        </span>
      </span>
      {isCurrent ? (
        <span class="tag">{t.sessions.current}</span>
      ) : (
        <button
          type="button"
          class="button small danger-text"
          aria-label={t.sessions.endOf(name)}
          disabled={isBusy}
          onClick={end}
        >
          {t.sessions.end}
        </button>
      )}
    </li>
  );
}
