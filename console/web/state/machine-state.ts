import { faultText } from '../texts/fault-text.ts';
import { gateText } from '../texts/gate-text.ts';
import { t } from '../texts.ts';
import type { OwnMachine } from './answers.ts';

/** What a machine does, in one sentence, and how good that is. */
export interface MachineSentence {
  readonly tone: 'good' | 'notice' | 'bad' | 'quiet';
  readonly text: string;
}

export function machineState({ revoked_at, online, trust, slots }: OwnMachine): MachineSentence {
  if (revoked_at !== null) return { tone: 'quiet', text: t.machines.removed };
  if (trust.standing === 'untrusted')
    return { tone: 'bad', text: faultText(trust) ?? t.machines.untrusted };
  if (!online) return { tone: 'bad', text: t.machines.offline };
  if (trust.standing !== 'verified') return { tone: 'notice', text: t.machines[trust.standing] };
  const running = slots.reduce((sum, slot) => sum + slot.running, 0);
  if (running > 0) return { tone: 'good', text: t.machines.running(running) };
  const ready = slots.filter(({ serves }) => serves).length;
  if (ready > 0) return { tone: 'good', text: t.machines.ready(ready) };
  const [first] = slots;
  const text = first ? gateText(first.gate, first.because) : t.machines.noModels;
  return { tone: 'notice', text };
}

/** The steps until a machine earns money, in their order. */
export interface SetUpSteps {
  readonly linked: boolean;
  readonly online: boolean;
  readonly verified: boolean;
  readonly serves: boolean;
}

/** How far a machine is; undefined stands for a machine that is not linked yet. */
export function stepsOf(machine: OwnMachine | undefined): SetUpSteps {
  return {
    linked: machine !== undefined,
    online: machine?.online ?? false,
    verified: machine?.trust.standing === 'verified',
    serves: machine?.slots.some(({ serves }) => serves) ?? false,
  };
}
