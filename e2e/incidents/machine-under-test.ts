import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, vi } from 'vitest';
import { ControlClient } from '#provider/service/control-client.ts';
import { TINY_MODEL_FOLDER } from '#tiny-model';
import { DINF } from '../dinf-program.ts';
import type { TestNetwork } from '../test-network.ts';

const run = promisify(execFile);
/**
 * Time in which a machine must heal while other programs use all cores, in milliseconds. They may
 * also need so much memory for a while that the machine closes.
 */
const PATIENT = { timeout: 240_000, interval: 100 };

export interface MachineOptions {
  readonly home: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** The processes of a machine, from its service to its engine and its leaf. */
type Part = 'service' | 'worker' | 'engine' | 'leaf';

/** A machine that serves the tiny model as a background service, as `dinf provider start` starts it. */
export class MachineUnderTest implements AsyncDisposable {
  readonly client: ControlClient;
  /** Id of the machine in the network. */
  provider = '';
  readonly #network: TestNetwork;
  readonly #options: MachineOptions;
  /** The service before the incident, and the number of its last event. */
  #before = { pid: 0, event: 0 };

  private constructor(network: TestNetwork, options: MachineOptions) {
    this.#network = network;
    this.#options = options;
    this.client = new ControlClient(options.home);
  }

  static async start(network: TestNetwork, options: MachineOptions): Promise<MachineUnderTest> {
    const machine = new MachineUnderTest(network, options);
    await machine.dinf(
      'start',
      ...['--coordinator', network.url, '--engine', 'reference'],
      ...['--model', TINY_MODEL_FOLDER, '--token', await network.network.enrolToken()],
    );
    await machine.heals();
    machine.provider = (await machine.client.state()).provider ?? '';
    return machine;
  }

  /** Runs `dinf provider …` for this machine, and returns what it printed. */
  async dinf(name: string, ...args: string[]): Promise<string> {
    const { home, env } = this.#options;
    const { stdout } = await run(
      process.execPath,
      [DINF, 'provider', name, '--home', home, ...args],
      { env: { ...process.env, DINF_HOME: join(this.#network.network.home, 'elsewhere'), ...env } },
    );
    return stdout;
  }

  async pid(part: Part): Promise<number> {
    const service = (await this.client.hello())?.pid ?? 0;
    if (part === 'service') return service;
    const worker = await childOf(service, `provider --home ${this.#options.home} --coordinator`);
    if (part === 'worker') return worker;
    return childOf(worker, part === 'engine' ? 'engine-program' : 'nats-server');
  }

  /** Every process of the machine, the service first. */
  async pids(): Promise<number[]> {
    const { stdout } = await run('ps', ['-eo', 'pid=,ppid=']);
    const pairs = stdout
      .trim()
      .split('\n')
      .map((line) => line.trim().split(/\s+/).map(Number));
    const found = [await this.pid('service')];
    for (const parent of found)
      found.push(...pairs.flatMap(([pid = 0, ppid]) => (ppid === parent ? [pid] : [])));
    return found;
  }

  /** Resolves when the machine answers a request. Call it directly before an incident. */
  async isBusy(): Promise<void> {
    await expect.poll(async () => (await this.client.state()).running, PATIENT).toBeGreaterThan(0);
    await this.#remember();
  }

  /** Resolves when the machine answers nothing. */
  async isQuiet(): Promise<void> {
    await expect.poll(async () => (await this.client.state()).running, PATIENT).toBe(0);
    await this.#remember();
  }

  async #remember(): Promise<void> {
    const pid = (await this.client.hello())?.pid ?? 0;
    this.#before = { pid, event: (await this.client.events(0, 0)).next };
  }

  /** Resolves when the owner has been told so: in the sentence of `status`, a note or an event. */
  async tells(what: RegExp): Promise<void> {
    await expect.poll(() => this.#told(), PATIENT).toMatch(what);
  }

  async #told(): Promise<string> {
    const hello = await this.client.hello();
    if (hello === undefined) return this.dinf('status');
    const { sentence, notes = [] } = await this.client.state();
    const { pid, event } = this.#before;
    const { events } = await this.client.events(hello.pid === pid ? event : 0, 0);
    return [sentence, ...notes.map(({ text }) => text), ...events.map(({ text }) => text)].join(
      '\n',
    );
  }

  /**
   * Resolves when the machine serves. Its model is in memory, or on the disk after a time without
   * requests or without memory, and is loaded for the next request.
   */
  async heals(): Promise<void> {
    await vi.waitFor(async () => {
      const { phase, models } = await this.client.state();
      expect([phase, ...models.map(({ state }) => state)].join(' ')).toMatch(
        /^serving (resident|cold)$/,
      );
    }, PATIENT);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if ((await this.client.hello()) !== undefined) await this.dinf('stop');
  }
}

async function childOf(parent: number, commandLine: string): Promise<number> {
  const { stdout } = await run('pgrep', ['-P', String(parent), '-f', commandLine]);
  return Number(stdout.split('\n', 1)[0]);
}
