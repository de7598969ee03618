import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { setting } from '#bus-schemas/settings/settings.ts';
import { logPath } from '#provider/service/log-file.ts';
import { tinyModel } from '#tiny-model';
import { DINF, operatorSettings } from '../dinf-program.ts';
import { readStream } from '../read-stream.ts';
import { canMount, mountDisk, type SmallDisk } from '../small-disk.ts';
import { ROOT } from '../source-folders.ts';
import { startTestNetwork, type TestNetwork } from '../test-network.ts';
import { MachineUnderTest } from './machine-under-test.ts';
import { RequestFlow } from './request-flow.ts';

/**
 * What happens to the computer of an owner: parts of the program are killed or freeze, the disk is
 * full, the clock is wrong, the network is away, the computer sleeps. A second machine serves the
 * same model. Each time the owner is told what is wrong, and the machine heals by itself; no request
 * is lost before its first content, and each is charged once.
 */
const run = promisify(execFile);
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const seconds = setting('DINF_INCIDENT_SECONDS');
/** Without a time, only those incidents happen that different parts of the machine notice. */
const testOfAll = test.runIf(seconds !== undefined);
/** Time for which the machine sleeps, and at most ten minutes for which the network is away. */
const ABSENCE_MS = 1_000 * (seconds ?? 15);
const AWAY_MS = Math.min(ABSENCE_MS, 10 * MINUTE_MS);
const PATIENT_MS = 10 * MINUTE_MS;
/** Answers that may have run when the computer fell asleep. */
const MOST_BEFORE = 3;
const hasDisk = canMount();

const stack = new AsyncDisposableStack();
let network: TestNetwork;
let machine: MachineUnderTest;
let disk: SmallDisk | undefined;
let clockFile: string;

beforeAll(async () => {
  network = stack.use(
    await startTestNetwork({ providers: 0, tokenMs: 2, config: { firstContentMs: MINUTE_MS } }),
  );
  await network.network.putModels([tinyModel], []);
  clockFile = join(network.network.home, 'clock');
  disk = hasDisk ? mountDisk(stack, '64m') : undefined;
  const home = disk?.folder ?? join(network.network.home, 'machine');
  const other = join(network.network.home, 'other');
  for (const folder of [home, other]) await mkdir(folder, { recursive: true });
  const clock = pathToFileURL(join(ROOT, 'testcontainers', 'shifted-clock.ts'));
  const env = { NODE_OPTIONS: `--import=${clock}`, SHIFTED_CLOCK: clockFile };
  const [first, second] = await Promise.all([
    MachineUnderTest.start(network, { home, env }),
    MachineUnderTest.start(network, { home: other }),
  ]);
  machine = stack.use(first);
  stack.use(second);
  // The first requests of a network wait for all its parts.
  const chat = { model: 'dinf-tiny', messages: [{ role: 'user', content: '1+1=' }] };
  await vi.waitFor(async () => expect((await readStream(network, chat)).status).toBe(200), {
    timeout: MINUTE_MS,
  });
}, PATIENT_MS);
afterAll(() => stack.disposeAsync(), PATIENT_MS);

/** Every job is charged or refunded once, and the books balance from their first entry on. */
afterEach(async () => {
  await network.expectMoneyBalances();
  const { stdout } = await run(process.execPath, [DINF, 'ledger', 'verify', '--full'], {
    env: { ...process.env, ...operatorSettings(network.network) },
  });
  expect(stdout).toMatch(/balance/i);
}, PATIENT_MS);

interface Incident {
  readonly begin: () => Promise<void>;
  /** What the owner is told. */
  readonly told: RegExp;
  readonly end?: () => Promise<void>;
}

/** Lets an incident happen while the machine answers, and checks that it heals and nothing is lost. */
async function happens({ begin, told, end }: Incident): Promise<void> {
  await using flow = new RequestFlow(network, machine.provider);
  await machine.isBusy();
  const beganAt = performance.now();
  await begin();
  await machine.tells(told);
  const toldMs = performance.now() - beganAt;
  const endedAt = performance.now();
  await end?.();
  await machine.heals();
  const healedMs = performance.now() - endedAt;
  await machine.isBusy();
  const { whole, cut, refused, lost } = await flow.end();
  const text = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;
  console.log(
    `told after ${text(toldMs)}, healed ${text(healedMs)} later; ${whole} answers, ${cut} cut, ${refused} refused, ${lost.length} lost`,
  );
  expect(lost, warnings()).toEqual([]);
  expect(whole).toBeGreaterThan(0);
}

/** The last warnings of the coordinator, which explain a lost request. */
const warnings = () =>
  network
    .logs()
    .split('\n')
    .filter((line) => /"level":[4-6]0/.test(line))
    .slice(-20)
    .join('\n');

const kill = async (part: Parameters<MachineUnderTest['pid']>[0], signal: NodeJS.Signals) => {
  process.kill(await machine.pid(part), signal);
};
const setClock = (shiftMs: number) => writeFile(clockFile, String(shiftMs));

test('the service is killed', { timeout: PATIENT_MS }, async () => {
  const told =
    /^(Stopped: the service ended unexpectedly\. It is started again|Started again: the service)/m;
  await happens({ begin: () => kill('service', 'SIGKILL'), told });
});

testOfAll.each([
  ['worker', /^Starting again .*: the worker was ended by SIGKILL\.$/m],
  ['engine', /^Not serving: the engine ended unexpectedly\. It is started again\.$/m],
] as const)('the %s is killed', { timeout: PATIENT_MS }, async (part, told) => {
  await happens({ begin: () => kill(part, 'SIGKILL'), told });
});

test('the engine is frozen', { timeout: PATIENT_MS }, async () => {
  const told = /^Not serving: the engine did not answer, and was ended\. It is started again\.$/m;
  await happens({ begin: () => kill('engine', 'SIGSTOP'), told });
});

testOfAll(
  'the leaf is killed: it has a link again before anybody has to be told',
  {
    timeout: PATIENT_MS,
  },
  async () => {
    const before = await machine.pid('leaf');
    await happens({
      begin: () => kill('leaf', 'SIGKILL'),
      told: /^(Ready|Serving|Not connected)/m,
    });
    expect(await machine.pid('leaf')).not.toBe(before);
  },
);

testOfAll('the leaf is frozen: it is started again', { timeout: PATIENT_MS }, async () => {
  const told = /^Not connected for .*: the leaf node of this machine does not answer\./m;
  await happens({ begin: () => kill('leaf', 'SIGSTOP'), told });
});

test.skipIf(!hasDisk)(
  'the disk is full (skipped where only root can mount one)',
  { timeout: PATIENT_MS },
  async () => {
    let empty: (() => void) | undefined;
    await happens({
      begin: async () => {
        empty = disk?.fill();
      },
      told: /^The disk of this machine is full, so neither its log nor its receipts are saved/m,
      end: async () => {
        expect((await machine.client.state()).phase).toBe('serving');
        empty?.();
        await expect
          .poll(async () => (await machine.client.state()).notes ?? [], { timeout: MINUTE_MS })
          .not.toContainEqual(expect.objectContaining({ code: 'disk_full' }));
      },
    });
    expect(await readFile(logPath(disk?.folder ?? ''), 'utf8')).not.toBe('');
  },
);

const jumps = [
  ['forward', HOUR_MS],
  ['back', -HOUR_MS],
] as const;
test.each(seconds === undefined ? jumps.slice(0, 1) : jumps)(
  'the clock jumps an hour %s: it serves on, and is verified again once its clock is right',
  {
    timeout: PATIENT_MS,
  },
  async (_, shiftMs) => {
    await happens({
      begin: async () => {
        await setClock(shiftMs);
        // The network looks at the clock every five minutes, and at the start of a worker at once.
        await kill('worker', 'SIGKILL');
      },
      told: /^Connected, but not verified, .*Its clock is wrong by more than two minutes\./m,
      end: () => setClock(0),
    });
  },
);

testOfAll('the network is away', { timeout: PATIENT_MS + AWAY_MS }, async () => {
  await machine.isQuiet();
  await network.hub.kill();
  await machine.tells(/^Not connected for .*: no hub of the network can be reached;/m);
  await delay(AWAY_MS);
  await network.hub.restart();
  await machine.heals();
  await using flow = new RequestFlow(network, machine.provider);
  await machine.isBusy();
  expect((await flow.end()).lost).toEqual([]);
});

test('the computer sleeps', { timeout: PATIENT_MS + ABSENCE_MS }, async () => {
  const pids = await machine.pids();
  const signal = (name: NodeJS.Signals) => {
    for (const pid of pids) process.kill(pid, name);
  };
  await using flow = new RequestFlow(network, machine.provider);
  await machine.isBusy();
  signal('SIGSTOP');
  await delay(ABSENCE_MS);
  signal('SIGCONT');
  const wokeAt = performance.now();
  const answers = async () => (await machine.client.state()).answers.total;
  const before = await answers();
  // The answers that ran before have been cut; the next ones began after waking.
  await expect
    .poll(answers, { timeout: PATIENT_MS, interval: 50 })
    .toBeGreaterThan(before + MOST_BEFORE);
  const healedMs = performance.now() - wokeAt;
  await machine.heals();
  const { whole, cut, refused, lost } = await flow.end();
  console.log(
    `slept ${ABSENCE_MS / 1_000} s, and completed its next answer ${(healedMs / 1_000).toFixed(1)} s after waking; ${whole} answers, ${cut} cut, ${refused} refused, ${lost.length} lost`,
  );
  expect(lost, warnings()).toEqual([]);
});
