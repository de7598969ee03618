import { Command } from '../parts/command.tsx';
import { PATHS } from '../router.ts';
import { useInstaller } from '../state/installer.ts';
import { t } from '../texts.ts';

/** How to use the models of this network, to serve models for it, or to run another network. */
export function GetStartedPage() {
  const { origin } = location;
  return (
    <>
      <h1>{t.getStarted.title}</h1>
      <p class="intro">{t.getStarted.intro}</p>
      <section class="panel">
        <h2>{t.getStarted.useTitle}</h2>
        <p>{t.getStarted.useText}</p>
        <Command text={`${origin}/v1`} />
        <p>
          <a href={PATHS.keys}>{t.getStarted.useNext}</a>
        </p>
        <p>{t.getStarted.privateText}</p>
        <Command text={`npx dinf proxy --coordinator ${origin}`} />
      </section>
      <ServeModels />
      <section class="panel">
        <h2>{t.getStarted.ownTitle}</h2>
        <p>{t.getStarted.ownText}</p>
        <Command text="npm start" />
      </section>
    </>
  );
}

function ServeModels() {
  const { origin } = location;
  const hasInstaller = useInstaller();
  return (
    <section class="panel">
      <h2>{t.getStarted.serveTitle}</h2>
      <p>{t.getStarted.serveText}</p>
      {hasInstaller ? (
        <>
          <Command text={`curl -fsSL ${origin}/install.sh | sh`} />
          <p>
            <a href="/install">{t.getStarted.digests}</a>
          </p>
        </>
      ) : (
        <>
          <p>{t.getStarted.serveByHand}</p>
          <Command text="npm install --global d-inference-VERSION.tgz" />
        </>
      )}
      <p>{t.getStarted.serveNext}</p>
      <Command text={`dinf provider start --link --coordinator ${origin}`} />
    </section>
  );
}
