import { ApproveMachine } from '../parts/approve-machine.tsx';
import { t } from '../texts.ts';

/** The page that a machine names when it asks to be linked. */
export function LinkPage() {
  const code = new URLSearchParams(location.search).get('user_code') ?? '';
  return (
    <>
      <h1>{t.link.title}</h1>
      <p class="intro">{t.link.intro}</p>
      <ApproveMachine code={code} />
    </>
  );
}
