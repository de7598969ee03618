import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { EXIT } from '#bus-schemas/exit-codes.ts';
import { sentencesWithoutCase } from '../printed-sentences-under-test.ts';
import { closedTexts, noteTexts } from '../reasons.ts';
import { ControlClient } from './control-client.ts';
import { serveMachine } from './service.ts';
import { readSettings, saveSettings } from './settings.ts';
import { Supervisor, WORKER_READY } from './supervisor.ts';

/**
 * A worker that speaks the protocol of the real one and serves no model. It reports its process id as
 * its machine id, and prints the orders that it receives.
 */
const WORKER = `
  console.log(${JSON.stringify(WORKER_READY)});
  const serving = { t: 'serving', provider: String(process.pid), engine: 'cpu', coordinator: 'x' };
  process.send(serving);
  setInterval(() => process.send({ t: 'pulse', running: 0, models: [] }), 20);
  process.on('message', ({ t }) => console.log('order ' + t));
  process.on('SIGTERM', () => process.exit(0));
`;

let home: string;
let lines: string[];
let supervisors: Supervisor[];
/** What the supervisors of this file printed: events, lines of the log, and refusals. */
const printed = new Set<string>();
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'dinf-service-'));
  lines = [];
  supervisors = [];
});
afterEach(async () => {
  for (const { events } of supervisors) for (const { text } of events.after(0)) printed.add(text);
  for (const line of lines) printed.add(line);
  await rm(home, { recursive: true });
});

interface Changes {
  readonly silenceMs?: number;
  readonly isPaused?: boolean;
  readonly command?: () => Promise<[string, ...string[]]>;
}

function supervise(program: string, options: Changes = {}): Supervisor {
  const supervisor = new Supervisor({
    command: async () => [process.execPath, '-e', program],
    env: process.env,
    isPaused: false,
    log: pino({}, { write: (line) => void printed.add(JSON.parse(line).msg) }),
    onLine: (line) => void lines.push(line),
    pausesMs: [1],
    ...options,
  });
  supervisors.push(supervisor);
  return supervisor;
}
/** Asks for a further model, and returns why it is not added. */
async function refusalOf(adding: ReturnType<Supervisor['add']>): Promise<string> {
  const added = await adding;
  const fault = 'fault' in added ? added.fault : `${added.build} was added`;
  printed.add(fault);
  return fault;
}
const onFault = (error: unknown) => void lines.push(String(error));
const NOTHING_WANTED = { shown: [], accept: () => {} };
const serveControl = (supervisor: Supervisor) =>
  serveMachine({
    updates: { note: undefined, plan: 'shown here, from the channel beta' },
    desired: NOTHING_WANTED,
    home,
    version: '1',
    supervisor,
    onFault,
  });
const phaseOf = (supervisor: Supervisor) => () => supervisor.state.phase;

describe('the worker of a machine', () => {
  test('is started again when it is killed', async () => {
    await using supervisor = supervise(WORKER);
    await expect.poll(phaseOf(supervisor)).toBe('serving');
    const before = supervisor.state.provider;
    process.kill(Number(before), 'SIGKILL');
    await expect.poll(() => supervisor.state.provider).not.toBe(before);
    await expect.poll(phaseOf(supervisor)).toBe('serving');
    expect(supervisor.events.after(0).map(({ text }) => text)).toContainEqual(
      expect.stringMatching(/: the worker was ended by SIGKILL\.$/),
    );
  });

  test('is ended and started again when it is frozen', async () => {
    await using supervisor = supervise(WORKER, { silenceMs: 2_000 });
    await expect.poll(phaseOf(supervisor)).toBe('serving');
    const before = supervisor.state.provider;
    process.kill(Number(before), 'SIGSTOP');
    await expect.poll(() => supervisor.state.provider).not.toBe(before);
    await expect.poll(phaseOf(supervisor)).toBe('serving');
    expect(supervisor.events.after(0).map(({ text }) => text)).toContainEqual(
      expect.stringMatching(/: the worker was frozen and was ended\.$/),
    );
  });

  test('that fails at each start becomes a crash loop with its last error as the reason', async () => {
    const failing = `console.log(${JSON.stringify(WORKER_READY)}); console.error('dinf: the disk is full'); process.exit(1)`;
    await using supervisor = supervise(failing);
    await expect.poll(phaseOf(supervisor)).toBe('crash_loop');
    expect(supervisor.state.reason).toBe('the disk is full');
  });

  test('of a service that follows a killed one has that as its first event', async () => {
    await using supervisor = supervise(WORKER);
    supervisor.events.addStartedAgain(0);
    expect(supervisor.events.after(0)).toContainEqual(
      expect.objectContaining({
        kind: 'state',
        text: 'Started again: the service before this one ended unexpectedly.',
      }),
    );
  });

  test('that ends without a word has its exit code as the reason', async () => {
    const silent = `console.log(${JSON.stringify(WORKER_READY)}); process.exit(3)`;
    await using supervisor = supervise(silent);
    await expect
      .poll(() => supervisor.events.after(0).map(({ text }) => text))
      .toContainEqual(expect.stringMatching(/: the worker ended with exit code 3\.$/));
  });

  test('that is set up wrongly is not started again, until its owner orders it', async () => {
    const marker = join(home, 'corrected');
    const wrong = `
      if (!require('node:fs').existsSync(${JSON.stringify(marker)})) {
        console.log(${JSON.stringify(WORKER_READY)});
        console.error('dinf: there is no such model');
        process.exit(${EXIT.usage});
      }
      ${WORKER}`;
    await using supervisor = supervise(wrong);
    await expect.poll(phaseOf(supervisor)).toBe('failed');
    expect(supervisor.state.down).toMatchObject({ failures: 1, nextStartAt: undefined });
    await writeFile(marker, '');
    await supervisor.restart();
    await expect.poll(phaseOf(supervisor)).toBe('serving');
  });

  test('says why it cannot add a further model at this moment', async () => {
    await using supervisor = supervise(WORKER);
    expect(await refusalOf(supervisor.add('ant'))).toBe('The machine does not serve at present.');
    await expect.poll(phaseOf(supervisor)).toBe('serving');
    const adding = supervisor.add('ant');
    expect(await refusalOf(supervisor.add('bee'))).toBe(
      'ant is being added. Try again when that is done.',
    );
    process.kill(Number(supervisor.state.provider), 'SIGKILL');
    expect(await refusalOf(adding)).toBe('The worker ended while it read the model.');
  });

  test('that is still starting is stopped too', async () => {
    const supervisor = supervise(WORKER);
    await supervisor.stop();
    expect(supervisor.state.phase).toBe('stopping');
  });

  test('is starting again, and no longer serving, as soon as its restart was ordered and it has ended', async () => {
    await using supervisor = supervise(WORKER);
    await expect.poll(phaseOf(supervisor)).toBe('serving');
    const before = supervisor.state.provider;
    await supervisor.restart();
    await expect.poll(() => supervisor.state.provider).not.toBe(before);
    await expect.poll(phaseOf(supervisor)).toBe('serving');
  });

  test('is started with the settings that hold at that time', async () => {
    let engine = 'cpu';
    const command = async (): Promise<[string, ...string[]]> => [
      process.execPath,
      '-e',
      WORKER.replace("'cpu'", `'${engine}'`),
    ];
    await using supervisor = supervise(WORKER, { command });
    await expect.poll(() => supervisor.state.engine).toBe('cpu');
    engine = 'metal';
    await supervisor.restart();
    await expect.poll(() => supervisor.state.engine).toBe('metal');
  });

  test('receives the pause of its owner, also after it was started again', async () => {
    await using supervisor = supervise(WORKER);
    await expect.poll(phaseOf(supervisor)).toBe('serving');
    supervisor.setPaused(true);
    await expect.poll(() => lines).toContain('order pause');
    lines.length = 0;
    await supervisor.restart();
    await expect.poll(() => lines).toContain('order pause');
    expect(supervisor.state.phase).toBe('paused');
  });
});

describe('the control socket', () => {
  test('can be opened only by its owner, and replays events without a gap', async () => {
    await using supervisor = supervise(WORKER);
    await using _control = await serveControl(supervisor);
    const client = new ControlClient(home);
    expect(await client.hello()).toMatchObject({ api: 1, home, pid: process.pid });
    await expect.poll(async () => (await client.state()).phase).toBe('serving');
    expect(await client.state()).toMatchObject({ updates: 'shown here, from the channel beta' });
    const first = await client.events(0);
    const waiting = client.events(first.next);
    await client.setPaused(true);
    expect((await waiting).events).toMatchObject([
      { id: first.next + 1, kind: 'state', text: expect.stringContaining('Paused by you') },
    ]);
    const { mode } = await stat(join(home, 'control.sock'));
    expect(mode & 0o777).toBe(0o600);
  });

  test('shows the notes of the worker, and each reason for which it closes as an event', async () => {
    const closing = `${WORKER}
      const pulse = { t: 'pulse', running: 0, models: [] };
      process.send({ ...pulse, closed: { reason: 'memory_refuse' } });
      process.send({ ...pulse, closed: { reason: 'memory_unload' } });
      process.send({ ...pulse, notes: ['memory_caches'] });
      clearInterval(pulses);
    `.replace('setInterval', 'const pulses = setInterval');
    await using supervisor = supervise(closing);
    await using _control = await serveControl(supervisor);
    const client = new ControlClient(home);
    await expect
      .poll(async () => (await client.state()).notes)
      .toEqual([{ code: 'memory_caches', text: noteTexts.memory_caches }]);
    const { events } = await client.events(0);
    const closed = events.map(({ text }) => text).filter((text) => text.startsWith('Closed: '));
    expect(closed).toEqual([
      `Closed: ${closedTexts.memory_refuse}`,
      `Closed: ${closedTexts.memory_unload}`,
    ]);
  });

  test('lets a further model be served and loaded, and first at later starts; a refusal has the reason of the engine', async () => {
    const adding = WORKER.replace('models: []', 'models: [], memoryBytes: 1').concat(`
      process.on('message', ({ t, model }) => {
        if (t !== 'add') return;
        process.send(
          model.includes('ant')
            ? { t: 'added', model, build: 'ant' }
            : { t: 'not_added', model, why: 'It is too large.' },
        );
      });
    `);
    const settings = { coordinator: 'x', engine: 'cpu', concurrency: 1, idleMinutes: 0 };
    await saveSettings(home, { ...settings, models: ['org/cow'], link: false, isPaused: false });
    await using supervisor = supervise(adding);
    await using _control = await serveControl(supervisor);
    const client = new ControlClient(home);
    await expect.poll(async () => (await client.state()).memory_bytes).toBe(1);
    await client.switchTo('org/ant');
    await expect.poll(() => lines).toContain('order switch');
    expect((await readSettings(home))?.models).toEqual(['org/ant', 'org/cow']);
    await expect(client.switchTo('bee')).rejects.toThrow('It is too large.');
    expect((await readSettings(home))?.models).toEqual(['org/ant', 'org/cow']);
  });

  test('shows what the worker has reported to the operator, and lets it report faults of other programs', async () => {
    const reporting = `${WORKER}
      const report = (fault, times) => process.send({ t: 'reported', faults: [{ fault, times }] });
      report('oom', 1);
      report('thermal', 2);
      process.on('message', ({ t, fault }) => t === 'note' && report(fault, 1));
    `;
    await using supervisor = supervise(reporting);
    await using _control = await serveControl(supervisor);
    const client = new ControlClient(home);
    const times = async () => (await client.state()).reported?.times;
    await expect.poll(times).toEqual({ oom: 1, thermal: 2 });
    await client.note('download_failed');
    await client.note('oom');
    await expect.poll(times).toEqual({ oom: 2, thermal: 2, download_failed: 1 });
    await expect(client.note('unknown' as never)).rejects.toThrow(/fault must be one of thermal/);
  });
});

test('a case of this file printed every sentence of supervisor.ts', () => {
  const source = new URL('supervisor.ts', import.meta.url);
  expect(sentencesWithoutCase(source, printed)).toEqual([]);
});
