import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { startSupervised } from '#provider';
import { DINF, operatorSettings } from '../dinf-program.ts';
import type { TestNetwork } from '../test-network.ts';
import { ROOT } from './blocks.ts';
import { documentedCommands } from './commands.ts';

/**
 * Runs the commands of README and docs beside a network. A new one is run too, unless it stands in
 * one of these tables.
 */
const run = promisify(execFile);
const NAMES_A_GROUP = 'prose: without its subcommand or argument it prints its help';
const NOT_RUN: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    [
      'ledger',
      'ledger archive',
      'models',
      'models add',
      'network hub',
      'verify receipt',
      'canary',
      'machines withdraw-name',
    ].map((line) => [line, NAMES_A_GROUP]),
  ),
  ...Object.fromEntries(
    ['world --seed 7 --story', 'world --seed 1 --seeds 20', 'world --mutations --seeds 20'].map(
      (line) => [line, 'runs for minutes (e2e/world/world.test.ts)'],
    ),
  ),
  ...Object.fromEntries(
    [
      'accounts suspend ACCOUNT --reason "stolen card"',
      'accounts resume ACCOUNT',
      'accounts credit ACCOUNT 5 --reason "outage of 3 May"',
      'accounts reward ACCOUNT 50 --reason "reported a bug"',
      'rewards fund 100',
      'rewards return 100',
      'rewards end-promotion spring-2027',
      'accounts limits ACCOUNT --rpm 60 --per-day 20',
      'accounts limits ACCOUNT --per-day 20',
      'machines drain PROVIDER',
      'machines resume PROVIDER',
      'machines withdraw-name NAME',
      'machines allow-name PROVIDER',
      'revoke PROVIDER',
      'models shed MODEL --minutes 30 --reason "new weights"',
      'models beta MODEL --allow ACCOUNT',
      'models deprecate MODEL --sunset 2099-01-31 --replacement sim',
      'models remove MODEL',
      'models set MODEL --description "small and fast" --hugging-face Qwen/Qwen3-4B --min-memory 16',
      'models rollout MODEL BUILD',
      'models revert MODEL',
      'routing switch affinity off',
      'routing switch warm_pool on',
    ].map((line) => [
      line,
      'changes what other commands of this test need (e2e/operator-tools.test.ts)',
    ]),
  ),
  ...Object.fromEntries(
    [
      'network init',
      'network rotate',
      'network rotate signing',
      'network rotate signing --step begin',
      'network rotate signing --step finish',
      'network rotate log',
      'network rotate receipts',
      'network rotate core-creds',
      'network rotate core-creds --step begin',
      'network rotate core-creds --step finish',
      'network rotate hub-ca',
      'network rotate hub-ca --step begin',
      'network rotate hub-ca --step switch',
      'network rotate hub-ca --step finish',
    ].map((line) => [
      line,
      'changes the keys of a founded network (e2e/machines/rotate-commands.test.ts, coordinator/trust/signing-key-rotation.test.ts, e2e/machines/hub-authority.test.ts, e2e/sealed/log-key-rotation.test.ts)',
    ]),
  ),
  'approve WDJB-MJHT':
    'needs the code that a machine shows (e2e/provider-daemon.test.ts, e2e/api/machines.test.ts)',
  ...Object.fromEntries(
    [
      'approve CODE',
      'approve CODE --account ACCOUNT',
      'coordinator',
      'coordinator --components ingress',
      'network hub ./hub-2',
      'network hub ./hub-4',
      'network init --hub … --hub …',
      'provider --link --coordinator https://api.example.org',
      'up --public',
      'up --public api.example.org --tls-cert api.pem --tls-key api.key',
    ].map((line) => [
      line,
      'needs several machines (e2e/machines/founded-network.test.ts, cli/up/public-access.test.ts)',
    ]),
  ),
  ...Object.fromEntries(
    ['network init --helm dinf --hub hub.example.org', 'network init --helm dinf'].map((line) => [
      line,
      'needs a home without another network (coordinator/founding/helm-files.test.ts)',
    ]),
  ),
  'canary --file canaries.json --accuse --prove --every 3600':
    'runs until it is stopped (e2e/model-squatting.test.ts)',
  'trust pardon <provider>': 'needs a machine that was excluded (e2e/recounts.test.ts)',
  'models add Qwen3-4B-4bit': 'needs a machine that serves this build (e2e/own-models.test.ts)',
  ...Object.fromEntries(
    [
      'provider start',
      'provider start --local 11434',
      'provider start --link --model mlx-community/Qwen3-4B-4bit',
      'provider start --prefix-disk-gb 100 --prefix-disk-daily-gb 200',
      'provider start --prefix-disk-gb 0',
      'provider clear-prefixes',
      'provider pause',
      'provider doctor',
      'provider earnings',
      'provider report',
      'provider logs --follow',
      'provider install',
      'provider logs',
      'provider uninstall',
      'provider resume',
    ].map((line) => [line, 'needs a machine in the background (e2e/provider-service.test.ts)']),
  ),
  ...Object.fromEntries(
    [
      'provider update',
      'provider update --check',
      'provider start --updates notify',
      'provider start --updates auto',
      'provider start --updates off',
      'provider update --channel beta',
      'provider update --channel stable --allow-older',
      'provider start --channel stable',
      'provider start --channel beta',
    ].map((line) => [
      line,
      'needs a program that was installed by a network (e2e/updates.test.ts)',
    ]),
  ),
  ...Object.fromEntries(
    ['ask', 'on', 'off'].map((mode) => [
      `provider start --desired ${mode}`,
      'needs a machine in the background (e2e/desired-builds.test.ts)',
    ]),
  ),
  ...Object.fromEntries(
    [
      'provider start --model mlx-community/Qwen3-4B-4bit --model mlx-community/gemma-3-12b-it-4bit',
      'provider switch Qwen3-4B-4bit',
    ].map((line) => [line, 'needs a machine with two models (e2e/several-models.test.ts)']),
  ),
  ...Object.fromEntries(
    ['search qwen3', 'show', 'pull', 'verify'].map((action) => [
      `provider models ${action}${action.includes(' ') ? '' : ' mlx-community/Qwen3-4B-4bit'}`,
      'needs the hub of Hugging Face (provider/downloads/pull-model.test.ts)',
    ]),
  ),
  'provider models import Qwen3-4B-Q4_K_M.gguf':
    'needs a GGUF file (provider/models/gguf/import-gguf.test.ts)',
  ...Object.fromEntries(
    [
      'provider --engine openai --upstream http://127.0.0.1:11434/v1',
      'provider --engine openai --upstream http://127.0.0.1:1234/v1 --model qwen3-4b',
      'provider start --engine openai --upstream http://127.0.0.1:8081/v1 --upstream-command "llama-server -m qwen3-4b.gguf --port 8081 --jinja"',
    ].map((line) => [line, 'needs a model server (e2e/model-servers/model-servers.test.ts)']),
  ),
  ...Object.fromEntries(
    ['provider benchmark', 'provider benchmark --minutes 10'].map((line) => [
      line,
      'measures for more than half a minute (provider/benchmark/benchmark-model.test.ts)',
    ]),
  ),
  ...Object.fromEntries(
    ['chat', 'chat tiny', 'chat tiny --once "12 + 30?"'].map((line) => [
      line,
      'needs a terminal or a key (cli/customer/chat-session.test.ts, e2e/sealed/customer-commands.test.ts)',
    ]),
  ),
  'provider --link': 'waits for its owner (e2e/provider-daemon.test.ts)',
  provider: 'runs until it is stopped (e2e/provider-daemon.test.ts)',
  simulate: 'runs until it is stopped (e2e/up.test.ts)',
  'simulate --providers 20 --chip mixed --ailment hot --ailing 0.2':
    'needs twenty tokens (simulator/mix.test.ts, e2e/ailing-machines.test.ts)',
  'coordinator --components ingress,routing': 'runs until it is stopped (e2e/components.test.ts)',
  'coordinator --components routing':
    'runs until it is stopped (e2e/chaos/router-failover.test.ts)',
  up: 'starts a network of its own (e2e/up.test.ts)',
  'up --workers 4': 'starts a network of its own (e2e/up.test.ts)',
  'up --model smollm2': 'starts a network of its own (e2e/smollm2/smollm2.test.ts)',
  'up --model minilm': 'starts a network of its own (e2e/minilm/minilm.test.ts)',
  replay: 'plays a whole day, which takes a minute (simulator/replay/replay.test.ts)',
  'routing drain 1': 'needs a second cell (e2e/cells.test.ts)',
  decode: 'reads a message from standard input (e2e/monitoring/nats-tools.test.ts)',
  migrate: 'was run when the network started (coordinator/migrate.test.ts)',
};
/** What makes a command end that would run on. */
const ENDING: Readonly<Record<string, readonly string[]>> = {
  top: ['--once'],
  witness: ['--once'],
};
const STARTED = 'proxy';

const environment = (network: TestNetwork) => ({
  ...process.env,
  ...operatorSettings(network.network),
  NO_COLOR: '1',
});

/** The line with real names in the place of those that stand for them. */
function argumentsOf(network: TestNetwork, line: string): string[] {
  const real = line
    .replace('NAME', 'olga')
    .replace('ACCOUNT', network.account)
    .replace('<provider>', String(network.providers[1]?.id))
    .replace('https://the.network', network.url);
  const words = real.split(/\s+/);
  return [...words, ...(ENDING[words[0] ?? ''] ?? [])];
}

export function describeCommands(network: () => TestNetwork): void {
  describe('a documented command', () => {
    const lines = documentedCommands();

    test.each(lines.filter(({ line }) => NOT_RUN[line] === undefined && !line.startsWith(STARTED)))(
      'dinf $line ($file) runs to its end',
      async ({ line }) => {
        const { stdout } = await run(process.execPath, [DINF, ...argumentsOf(network(), line)], {
          cwd: ROOT,
          env: environment(network()),
          timeout: 30_000,
        });
        expect(stdout.length).toBeGreaterThan(0);
      },
    );

    test.each(lines.filter(({ line }) => line.startsWith(STARTED)))(
      'dinf $line ($file) starts and stops',
      async ({ line }) => {
        const args = argumentsOf(network(), line).filter(
          (word, index, words) => word !== '--port' && words[index - 1] !== '--port',
        );
        const started = await startSupervised({
          name: line,
          command: process.execPath,
          args: [DINF, ...args, '--port', '0'],
          env: environment(network()),
          isReady: (output) => output.includes('dinf proxy is up'),
          readyTimeoutMs: 30_000,
        });
        expect(await started.stop()).toEqual({ code: 0, signal: null });
      },
    );

    test('that is not run here is still documented', () => {
      const shown = new Set(lines.map(({ line }) => line));
      expect(Object.keys(NOT_RUN).filter((line) => !shown.has(line))).toEqual([]);
    });
  });
}
