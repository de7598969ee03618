import { call } from '../api/call.ts';
import type { Routes } from '../api/routes.ts';
import { groupedDigits } from '../format/numbers.ts';
import { Status, type Tone } from '../parts/figures.tsx';
import { Empty, Loaded } from '../parts/loaded.tsx';
import { useNow } from '../state/now.ts';
import { useResource } from '../state/resource.ts';
import { t } from '../texts.ts';
import { type Grade, historyDays, servedShare } from './history.ts';
import { Leaderboard } from './leaderboard.tsx';
import { NetworkNumbers } from './network-numbers.tsx';

type ModelStatus = Routes['GET /v1/status']['answer']['models'][number];

const MINUTE = 60_000;

/** What the network can serve now and could serve in the last 30 days, and its demand. */
export function StatusPage() {
  const status = useResource('public/status', () => call('GET /v1/status'), MINUTE);
  return (
    <>
      <h1>{t.status.title}</h1>
      <p class="intro">{t.status.intro}</p>
      <Loaded of={status} lines={8}>
        {({ models }) =>
          models.length === 0 ? (
            <Empty title={t.status.emptyTitle} text={t.status.empty} />
          ) : (
            <>
              <Summary models={models} />
              <History models={models} />
            </>
          )
        }
      </Loaded>
      <NetworkNumbers />
      <Leaderboard />
    </>
  );
}

function Summary({ models }: { models: readonly ModelStatus[] }) {
  const serving = models.filter(({ serves }) => serves).length;
  const [tone, text] = summaryOf(serving, models.length);
  return (
    <p class={`banner banner-${tone}`}>
      <Status tone={tone} text={text} />
    </p>
  );
}

function summaryOf(serving: number, all: number): [Tone, string] {
  if (serving === all) return ['good', t.status.allServe];
  return serving === 0 ? ['bad', t.status.noneServe] : ['notice', t.status.someServe(serving, all)];
}

function History({ models }: { models: readonly ModelStatus[] }) {
  return (
    <section>
      <h2>{t.status.historyTitle}</h2>
      <ul class="history card">
        {models.map((model) => (
          <ModelHistory key={model.model} model={model} />
        ))}
      </ul>
      <ul class="legend" aria-hidden="true">
        {(['full', 'most', 'less', 'none'] as const).map((grade) => (
          <li key={grade}>
            <span class={`bar bar-${grade}`} />
            {t.status.legend[grade]}
          </li>
        ))}
      </ul>
    </section>
  );
}

function ModelHistory({ model: { model, display_name, serves, days } }: { model: ModelStatus }) {
  const now = useNow();
  return (
    <li>
      <div class="history-line">
        <h3>{display_name}</h3>
        <Status
          tone={serves ? 'good' : 'bad'}
          text={serves ? t.status.now.serves : t.status.now.fails}
        />
      </div>
      <p class="hint history-line">
        <code>{model}</code>
        <span>{shareText(days)}</span>
      </p>
      {days && (
        <>
          <ol class="bars">
            {historyDays(days, now).map(({ day, checks, served, grade }) => (
              <Bar key={day} grade={grade} text={dayText(day, { checks, served })} />
            ))}
          </ol>
          <p class="hint history-line" aria-hidden="true">
            <span>{t.status.daysAgo}</span>
            <span>{t.status.today}</span>
          </p>
        </>
      )}
    </li>
  );
}

const Bar = ({ grade, text }: { grade: Grade; text: string }) => (
  <li class={`bar bar-${grade}`} title={text}>
    <span class="visually-hidden">{text}</span>
  </li>
);

function shareText(days: ModelStatus['days']): string {
  if (days === null) return t.status.historyUnknown;
  const share = servedShare(days);
  return share === undefined ? t.status.noChecks : t.status.share(share);
}

const dayText = (day: string, { checks, served }: { checks: number; served: number }) =>
  checks === 0
    ? t.status.dayUnchecked(day)
    : t.status.day(day, groupedDigits(served), groupedDigits(checks));
