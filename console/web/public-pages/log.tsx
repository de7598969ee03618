import { useState } from 'preact/hooks';
import { call } from '../api/call.ts';
import type { Routes } from '../api/routes.ts';
import { groupedDigits } from '../format/numbers.ts';
import { Command } from '../parts/command.tsx';
import { Loaded } from '../parts/loaded.tsx';
import { LogHeadFacts } from '../parts/log-head-facts.tsx';
import { useResource } from '../state/resource.ts';
import { knownValue } from '../state/resource-state.ts';
import { failureText, knownFailure } from '../texts/failure-text.ts';
import { t } from '../texts.ts';

type Head = Routes['GET /v1/transparency/head']['answer'];

/** The head of the transparency log, and ways to check it. */
export function LogPage() {
  const head = useResource('public/log', () => call('GET /v1/transparency/head'));
  return (
    <>
      <h1>{t.log.title}</h1>
      <p class="intro">{t.log.intro}</p>
      <section>
        <h2>{t.log.headTitle}</h2>
        <Loaded of={head} lines={5}>
          {(known) => <HeadFacts head={known} />}
        </Loaded>
      </section>
      <CheckHere />
      <CheckElsewhere size={knownValue(head.state)?.size ?? 1} />
    </>
  );
}

function HeadFacts({ head: { size, at, root, key, signature } }: { head: Head }) {
  return (
    <LogHeadFacts
      labels={{ entries: t.log.entries, signed: t.log.signedAt }}
      entries={size}
      at={at}
      digests={[
        [t.log.root, root],
        [t.log.key, key],
        [t.log.signature, signature],
      ]}
    />
  );
}

interface Verdict {
  readonly isGood: boolean;
  readonly text: string;
}

function CheckHere() {
  const [isBusy, setBusy] = useState(false);
  const [verdict, setVerdict] = useState<Verdict>();
  const check = async () => {
    setBusy(true);
    setVerdict(undefined);
    try {
      // The libraries for cryptography are loaded only for people who ask for the check.
      const { checkLog } = await import('./check-log.ts');
      const { before, size } = await checkLog();
      const entries = groupedDigits(size);
      const text =
        before === undefined ? t.log.good(entries) : t.log.extends(groupedDigits(before), entries);
      setVerdict({ isGood: true, text });
    } catch (error) {
      setVerdict({ isGood: false, text: t.log.bad(failureText(knownFailure(error))) });
    } finally {
      setBusy(false);
    }
  };
  return (
    <section class="panel">
      <h2>{t.log.checkTitle}</h2>
      <p>{t.log.checkText}</p>
      <div>
        <button type="button" class="button primary" disabled={isBusy} onClick={() => void check()}>
          {isBusy ? t.log.checking : t.log.check}
        </button>
      </div>
      <div role="status">
        {verdict && <p class={verdict.isGood ? 'note' : 'problem'}>{verdict.text}</p>}
      </div>
    </section>
  );
}

function CheckElsewhere({ size }: { size: number }) {
  const path = (rest: string) => `curl '${location.origin}/v1/transparency/${rest}'`;
  const calls = [
    [t.log.headCommand, path('head')],
    [t.log.entriesCommand, path('entries?from=0&limit=100')],
    [t.log.proofCommand, path(`consistency?earlier=1&later=${size}`)],
  ] as const;
  return (
    <section class="panel">
      <h2>{t.log.toolsTitle}</h2>
      <p>{t.log.toolsText}</p>
      {calls.map(([label, text]) => (
        <div key={label} class="labelled">
          <h3>{label}</h3>
          <Command text={text} />
        </div>
      ))}
      <p>{t.log.proxyText}</p>
      <Command text={`npx dinf proxy --coordinator ${location.origin}`} />
    </section>
  );
}
