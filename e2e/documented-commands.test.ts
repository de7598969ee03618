import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { announceNetwork } from '#bus-schemas/running-network.ts';
import { startSupervised } from '#provider';
import { DINF, operatorSettings } from './dinf-program.ts';
import { documentedCommands } from './documented-commands.ts';
import { startTestNetwork, type TestNetwork } from './test-network.ts';

/** Runs the commands of README and docs beside a network. A new one is run too, unless it stands in one of these tables. */
const run = promisify(execFile);
const NAMES_A_GROUP = 'prose: without its subcommand or argument it prints its help';
const NOT_RUN: Readonly<Record<string, string>> = {
  ...Object.fromEntries(['ledger', 'models', 'release', 'weights', 'verify receipt', 'canary'].map((line) => [line, NAMES_A_GROUP])),
  'approve WDJB-MJHT': 'needs the code that a machine shows (e2e/provider-daemon.test.ts, e2e/api/machines.test.ts)',
  'approve <code>': 'needs the code that a machine shows (e2e/provider-daemon.test.ts, e2e/api/machines.test.ts)',
  'models add Qwen3-4B-4bit': 'needs a machine that serves this build (e2e/own-models.test.ts)',
  'provider --link --model mlx-community/Qwen3-4B-4bit': 'needs a model that is not in this repository (e2e/provider-daemon.test.ts)',
  'provider --link': 'waits for its owner (e2e/provider-daemon.test.ts)',
  provider: 'runs until it is stopped (e2e/provider-daemon.test.ts)',
  simulate: 'runs until it is stopped (e2e/up.test.ts)',
  'simulate --providers 20 --chip mixed --ailment hot --ailing 0.2': 'needs twenty tokens (simulator/mix.test.ts, e2e/ailing-machines.test.ts)',
  'coordinator --components ingress,routing': 'runs until it is stopped (e2e/components.test.ts)',
  'coordinator --components routing': 'runs until it is stopped (e2e/router-failover.test.ts)',
  up: 'starts a network of its own (e2e/up.test.ts)',
  replay: 'plays a whole day, which takes a minute (simulator/replay/replay.test.ts)',
  'routing drain 1': 'needs a second cell (e2e/cells.test.ts)',
  migrate: 'was run when the network started (coordinator/migrate.test.ts)',
};
/** What makes a command end that would run on. */
const ENDING: Readonly<Record<string, readonly string[]>> = { top: ['--once'], witness: ['--once'] };
const STARTED = 'proxy';

let network: TestNetwork;
let announced: AsyncDisposable;
beforeAll(async () => {
  network = await startTestNetwork({ providers: 2, tokenMs: 1 });
  // Commands that show requests have one to show.
  await network.openai().chat.completions.create({ model: 'sim', messages: [{ role: 'user', content: 'Hello' }], max_tokens: 2 });
  const { home, hub, databaseUrl, issuer, config } = network.network;
  announced = await announceNetwork(home, {
    ...{ natsUrl: hub.clientUrl, leafUrl: config.leafUrls[0] ?? '', httpUrl: network.url, databaseUrl },
    ...(issuer && { issuer: { url: issuer.url, secret: issuer.secret } }),
  });
}, 60_000);
afterAll(async () => {
  await announced[Symbol.asyncDispose]();
  await network[Symbol.asyncDispose]();
});

const environment = () => ({ ...process.env, ...operatorSettings(network.network), NO_COLOR: '1' });

/** The line with real names in the place of those that stand for them. */
function argumentsOf(line: string): string[] {
  const real = line
    .replace('<name>', 'olga')
    .replace('NAME', 'olga')
    .replace('<provider>', String(network.providers[1]?.id))
    .replace('https://the.network', network.url);
  const words = real.split(/\s+/);
  return [...words, ...(ENDING[words[0] ?? ''] ?? [])];
}

describe('a documented command', () => {
  const lines = documentedCommands();

  test.each(lines.filter(({ line }) => NOT_RUN[line] === undefined && !line.startsWith(STARTED)))('dinf $line ($file) runs to its end', async ({ line }) => {
    const { stdout } = await run(process.execPath, [DINF, ...argumentsOf(line)], { env: environment(), timeout: 30_000 });
    expect(stdout.length).toBeGreaterThan(0);
  });

  test.each(lines.filter(({ line }) => line.startsWith(STARTED)))('dinf $line ($file) starts and stops', async ({ line }) => {
    const args = argumentsOf(line).filter((word, index, words) => word !== '--port' && words[index - 1] !== '--port');
    const started = await startSupervised({
      name: line,
      command: process.execPath,
      args: [DINF, ...args, '--port', '0'],
      env: environment(),
      isReady: (output) => output.includes('dinf proxy is up'),
      readyTimeoutMs: 30_000,
    });
    expect(await started.stop()).toEqual({ code: 0, signal: null });
  });

  test('that is not run here is still documented', () => {
    const shown = new Set(lines.map(({ line }) => line));
    expect(Object.keys(NOT_RUN).filter((line) => !shown.has(line))).toEqual([]);
  });
});
