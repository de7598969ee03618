import type { Candidate } from '#bus-schemas';
import { step } from './job.ts';
import { type JobCommand, type JobEvent, type JobState, newJob } from './job-state.ts';

export const provider = (letter: string) => `A${letter.repeat(55)}`;
export const candidate = (letter: string): Candidate => ({
  provider: provider(letter),
  build: 'sim-llama-8b-q4',
  suite: 'x25519-sha256-chacha20poly1305',
  sealingKey: new Uint8Array(32),
  expectedFirstContentMs: 10,
});
export const usage = { promptTokens: 5, cachedTokens: 0, completionTokens: 3 };

/** Runs the state machine of a job and collects its commands. */
export class Machine {
  state: JobState;
  now = 0;
  readonly commands: JobCommand[] = [];

  constructor(streamed = true, clientSeals = false) {
    const first = newJob({
      streamed,
      clientSeals,
      now: 0,
      promptTokens: 0,
      times: { firstContentMs: 9_000, jobTimeoutMs: 600_000, queuePatienceMs: 30_000 },
    });
    this.state = first.state;
    this.commands.push(...first.commands);
  }

  happen(event: JobEvent, after = 0): JobCommand[] {
    this.now += after;
    const { state, commands } = step(this.state, event, this.now);
    this.state = state;
    this.commands.push(...commands);
    return [...commands];
  }

  serving(...letters: string[]): this {
    this.happen({ type: 'reserved', candidates: letters.map(candidate) });
    this.happen({ type: 'held' });
    return this;
  }

  all(what: JobCommand['do']): JobCommand[] {
    return this.commands.filter((command) => command.do === what);
  }
}
