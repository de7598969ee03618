import { useState } from 'preact/hooks';
import { ApproveMachine } from '../parts/approve-machine.tsx';
import { Command } from '../parts/command.tsx';
import { Status } from '../parts/figures.tsx';
import { Loaded } from '../parts/loaded.tsx';
import { PATHS } from '../router.ts';
import { type OwnMachine, useMachines } from '../state/answers.ts';
import { useInstaller } from '../state/installer.ts';
import { type SetUpSteps, stepsOf } from '../state/machine-state.ts';
import { t } from '../texts.ts';

/** Somebody waits on this page for each step of the machine. */
const POLL_MS = 3_000;

/** Leads to a machine that serves. Its ticks follow from the state of the newest machine. */
export function SetUpPage() {
  const [openedAt] = useState(Date.now);
  const machines = useMachines(POLL_MS);
  return (
    <>
      <h1>{t.setUp.title}</h1>
      <p class="intro">{t.setUp.intro}</p>
      <ol class="steps">
        <Install />
        <li class="panel">
          <h2>{t.setUp.startTitle}</h2>
          <p>{t.setUp.startText}</p>
          <Command text={startCommand()} />
          <p class="hint">{t.setUp.codeText}</p>
          <ApproveMachine code="" />
        </li>
        <li class="panel">
          <h2>{t.setUp.checkTitle}</h2>
          <Loaded of={machines} lines={4}>
            {(list) => <Progress machine={newestSince(list, openedAt)} />}
          </Loaded>
        </li>
      </ol>
    </>
  );
}

/** A machine that was linked before this page was opened is not the one that is being set up. */
const newestSince = (machines: readonly OwnMachine[], since: number): OwnMachine | undefined =>
  machines
    .filter(({ revoked_at, enrolled_at }) => revoked_at === null && Date.parse(enrolled_at) > since)
    .toSorted((one, other) => Date.parse(other.enrolled_at) - Date.parse(one.enrolled_at))[0];

const startCommand = (): string =>
  `dinf provider start --link --coordinator ${location.origin} --model mlx-community/Qwen3-4B-4bit`;

function Install() {
  const hasInstaller = useInstaller();
  return (
    <li class="panel">
      <h2>{t.setUp.installTitle}</h2>
      <p>{hasInstaller ? t.setUp.installText : t.setUp.installByHand}</p>
      <Command
        text={
          hasInstaller
            ? `curl -fsSL ${location.origin}/install.sh | sh`
            : 'npm install --global d-inference-VERSION.tgz'
        }
      />
    </li>
  );
}

const STEPS: readonly (keyof SetUpSteps)[] = ['linked', 'online', 'verified', 'serves'];

function Progress({ machine }: { machine: OwnMachine | undefined }) {
  const steps = stepsOf(machine);
  return (
    <div class="progress" role="status">
      <p class="hint">{machine === undefined ? t.setUp.waiting : t.setUp.found(machine.name)}</p>
      <ul class="ticks">
        {STEPS.map((step) => (
          <li key={step}>
            <Status
              tone={steps[step] ? 'good' : 'quiet'}
              text={steps[step] ? t.setUp.done[step] : t.setUp.open[step]}
            />
          </li>
        ))}
      </ul>
      {steps.serves && <a href={PATHS.machines}>{t.link.toMachines}</a>}
    </div>
  );
}
