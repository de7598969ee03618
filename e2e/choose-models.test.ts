import { spawn } from 'node:child_process';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { ControlClient } from '#provider/service/control-client.ts';
import { readSettings } from '#provider/service/settings.ts';
import { TINY_MODEL_FOLDER, tinyModel } from '#tiny-model';
import { DINF } from './dinf-program.ts';
import { startTestNetwork, type TestNetwork } from './test-network.ts';

const COMMIT = '1'.repeat(40);
const REPOSITORY = 'ann/ant-4bit';

let network: TestNetwork;
let home: string;
let client: ControlClient;

/** A network whose catalogue has a model that is in the cache of Hugging Face on this machine. */
beforeAll(async () => {
  network = await startTestNetwork({ providers: 0, tokenMs: 2 });
  const { weights: _, ...tiny } = tinyModel;
  await network.network.putModels(
    [{ ...tiny, id: 'ant', builds: ['ant-4bit'], huggingFaceId: REPOSITORY }],
    [],
  );
  home = join(network.network.home, 'machine');
  client = new ControlClient(home);
  const cached = join(network.network.home, 'hf/hub', `models--${REPOSITORY.replace('/', '--')}`);
  await mkdir(join(cached, 'refs'), { recursive: true });
  await writeFile(join(cached, 'refs/main'), COMMIT);
  await cp(TINY_MODEL_FOLDER, join(cached, 'snapshots', COMMIT), { recursive: true });
}, 120_000);

afterAll(async () => {
  if ((await client.hello()) !== undefined) await client.begin('stop');
  await vi.waitFor(async () => expect(await client.hello()).toBeUndefined());
  await network[Symbol.asyncDispose]();
});

/** Runs a command at a terminal, and types an answer when its question comes. */
async function atTerminal(command: string, answers: readonly string[]): Promise<string> {
  const { HF_HUB_CACHE: _, ...env } = process.env;
  const terminal = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
    env: {
      ...env,
      DINF_HOME: join(network.network.home, 'elsewhere'),
      HF_HOME: join(network.network.home, 'hf'),
      DINF_ENROL_TOKEN: await network.network.enrolToken(),
    },
  });
  let printed = '';
  const left = [...answers];
  terminal.stdout.on('data', (bytes: Buffer) => {
    printed += bytes.toString();
    const asked = printed.split('Enter for 1: ').length - 1;
    if (asked > answers.length - left.length) terminal.stdin.write(`${left.shift() ?? ''}\n`);
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  terminal.once('close', () => resolve());
  await promise;
  return printed;
}

// The `script` of macOS has other options.
test.skipIf(process.platform !== 'linux')(
  'at a terminal, the owner chooses from what fits and what the network asks for, and the choice is saved',
  { timeout: 180_000 },
  async () => {
    const command = `'${process.execPath}' '${DINF}' provider start --home '${home}' --coordinator ${network.url} --engine reference`;
    const printed = await atTerminal(command, ['9', '1']);
    expect(printed).toMatch(
      / 1 {2}ann\/ant-4bit, 2 MB of weights, at most \d+ tokens\/s, on this machine, 0 requests in 24 h, 0 machines, what it earns is not known: fewer than three owners/,
    );
    expect(printed).toMatch(/ 2 {2}dinf-tiny-4bit, 2 MB of weights, on this machine, a small test/);
    expect(printed).toContain('Type numbers from 1 to 2');
    expect((await readSettings(home))?.models).toEqual([REPOSITORY]);
    await expect
      .poll(async () => (await client.state()).models.map(({ build }) => build))
      .toEqual(['ant-4bit']);
  },
);
