import { useState } from 'preact/hooks';
import { call } from '../api/call.ts';
import { ActionFailure } from '../parts/action-failure.tsx';
import { Confirm } from '../parts/confirm.tsx';
import { Status } from '../parts/figures.tsx';
import { Loaded } from '../parts/loaded.tsx';
import { useAction } from '../state/action.ts';
import { invalidate, useResource } from '../state/resource.ts';
import { t } from '../texts.ts';

/** The person's account at Stripe: whether it can be paid, and where the money goes. */
export function Connection() {
  const connection = useResource('withdrawals/connection', () =>
    call('GET /v1/billing/connection'),
  );
  return (
    <Loaded of={connection} lines={2}>
      {({ state, country, missing, destination }) =>
        state === 'none' ? null : (
          <section>
            <h2>{t.earnings.connection}</h2>
            <Status
              tone={state === 'ready' ? 'good' : 'notice'}
              text={
                state === 'ready' ? t.earnings.connected : t.earnings.incomplete(missing.join(', '))
              }
            />
            <dl class="facts">
              {country && (
                <div>
                  <dt>{t.earnings.country}</dt>
                  <dd>{country}</dd>
                </div>
              )}
              {destination && (
                <div>
                  <dt>{t.earnings.destination}</dt>
                  <dd>{t.earnings.endsIn(destination.name, destination.last4)}</dd>
                </div>
              )}
            </dl>
            {state === 'ready' && <Dashboard />}
            <Disconnect />
          </section>
        )
      }
    </Loaded>
  );
}

function Disconnect() {
  const [isAsking, ask] = useState(false);
  const disconnect = async () => {
    await call('DELETE /v1/billing/connection');
    invalidate('withdrawals');
  };
  return (
    <>
      <p>
        <button type="button" class="button small danger-text" onClick={() => ask(true)}>
          {t.earnings.disconnect}
        </button>
      </p>
      {isAsking && (
        <Confirm
          title={t.earnings.disconnectTitle}
          text={t.earnings.disconnectText}
          action={t.earnings.disconnect}
          run={disconnect}
          close={() => ask(false)}
        />
      )}
    </>
  );
}

function Dashboard() {
  const action = useAction();
  const open = async () => {
    const { url } = await call('POST /v1/billing/dashboard');
    location.assign(url);
  };
  return (
    <>
      <p>
        <button
          type="button"
          class="link"
          disabled={action.isBusy}
          onClick={() => action.run(open)}
        >
          {t.earnings.dashboard}
        </button>
      </p>
      <ActionFailure of={action} />
    </>
  );
}
