import { describe, expect, test } from 'vitest';
import type { Health, SwitchedService } from './switch-version.ts';
import { switchVersion } from './switch-version.ts';
import type { UpdateRecord } from './update-journal.ts';

const planned: UpdateRecord = {
  status: 'switching',
  from: 'old',
  to: 'new',
  version: '2.0.0',
  sha256: 'ab'.repeat(32),
  phase: 'serving',
  at: 0,
};

class Killed extends Error {}

/**
 * A computer with two versions. What it holds outlives the process that updates it; `killAt` ends
 * that process before its n-th step.
 */
class Computer {
  version = 'old';
  /** The version that runs; undefined if none does. */
  running: string | undefined = 'old';
  record: UpdateRecord = planned;
  readonly steps: string[] = [];
  readonly #broken: boolean;
  #killAt: number | undefined;

  constructor({ isBroken = false, killAt }: { isBroken?: boolean; killAt?: number } = {}) {
    this.#broken = isBroken;
    this.#killAt = killAt;
  }

  #step(name: string): void {
    if (this.steps.length === this.#killAt) {
      this.#killAt = undefined;
      throw new Killed();
    }
    this.steps.push(name);
  }

  readonly service: SwitchedService = {
    health: async (): Promise<Health> => {
      if (this.running === undefined) return 'stopped';
      return this.running === 'new' && this.#broken ? 'starting' : 'healthy';
    },
    stop: async () => {
      this.#step('stop');
      this.running = undefined;
    },
    start: async () => {
      this.#step('start');
      this.running = this.version;
    },
    linked: async () => this.version,
    link: async (version) => {
      this.#step(`link ${version}`);
      this.version = version;
    },
    save: async (record) => {
      this.#step(record.status);
      this.record = record;
    },
  };

  update(): Promise<void> {
    return switchVersion(this.record, {
      service: this.service,
      now: () => 1,
      print: () => {},
      healthyMs: 20,
      lookMs: 1,
    });
  }
}

describe('an update', () => {
  test('stops the service, changes the link, and starts the new version', async () => {
    const computer = new Computer();
    await computer.update();
    expect(computer.steps).toEqual(['switching', 'stop', 'link new', 'start', 'updated']);
    expect(computer).toMatchObject({ version: 'new', running: 'new' });
  });

  test('whose version does not serve in time is taken back, with the reason', async () => {
    const computer = new Computer({ isBroken: true });
    await expect(computer.update()).rejects.toMatchObject({ code: 'not_healthy' });
    expect(computer).toMatchObject({
      version: 'old',
      running: 'old',
      record: { status: 'taken_back', reason: expect.stringContaining('did not serve') },
    });
  });

  test('whose version has given up is taken back at once', async () => {
    const computer = new Computer();
    const { health } = computer.service;
    const service = {
      ...computer.service,
      health: async () => (computer.running === 'new' ? 'failed' : health()) as Health,
    };
    const update = switchVersion(planned, { service, now: () => 1, print: () => {} });
    await expect(update).rejects.toThrow(/2\.0\.0 failed again and again/);
    expect(computer).toMatchObject({ version: 'old', running: 'old' });
  });

  test('of a machine whose service did not run only changes the link', async () => {
    const computer = new Computer();
    computer.running = undefined;
    const { phase: _none, ...record } = planned;
    computer.record = record;
    await computer.update();
    expect(computer.steps).toEqual(['switching', 'link new', 'updated']);
    expect(computer.running).toBeUndefined();
  });

  test.each([false, true])(
    'that is killed before any of its steps is completed by the next call (broken version: %s)',
    async (isBroken) => {
      const whole = new Computer({ isBroken });
      await whole.update().catch(() => undefined);
      for (const killAt of whole.steps.keys()) {
        const computer = new Computer({ isBroken, killAt });
        // A start that fails counts as a version that does not start, so the process goes on.
        const isKilled = await computer.update().then(
          () => false,
          (error: unknown) => error instanceof Killed,
        );
        if (isKilled) await computer.update().catch(() => undefined);
        expect(computer.version, `killed at ${killAt}`).toBe(computer.running);
        expect(computer.record.status).toMatch(/^(updated|taken_back)$/);
        if (isBroken) expect(computer.version).toBe('old');
      }
    },
  );
});
