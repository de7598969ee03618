import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { announceNetwork } from '#bus-schemas/running-network.ts';
import { FakeStripe } from '#testcontainers';
import { blocksIn, documentedBlocks, shellLines } from './blocks.ts';
import { NOT_RUN } from './exceptions.ts';
import { describeCalls } from './run-calls.ts';
import { describeCommands } from './run-commands.ts';
import { describeSnippets } from './run-snippets.ts';
import { startDocumentedNetwork, startWorld, type World } from './world.ts';

/** Every command, call and snippet of README and docs, run beside one network. */

let started: AsyncDisposableStack;
let world: World;
beforeAll(async () => {
  await using stack = new AsyncDisposableStack();
  const stripe = stack.use(await FakeStripe.start());
  const network = stack.use(await startDocumentedNetwork(stripe));
  // Commands that show requests have one to show.
  await network.openai().chat.completions.create({
    model: 'sim',
    messages: [{ role: 'user', content: 'Hello' }],
    max_tokens: 2,
  });
  const { home, hub, databaseUrl, issuer, config } = network.network;
  stack.use(
    await announceNetwork(home, {
      natsUrl: hub.clientUrl,
      leafUrl: config.leafUrls[0] ?? '',
      httpUrl: network.url,
      databaseUrl,
      ...(issuer && { issuer: { url: issuer.url, secret: issuer.secret } }),
    }),
  );
  world = await startWorld(network, stripe);
  started = stack.move();
}, 60_000);
afterAll(() => started[Symbol.asyncDispose]());

describeCommands(() => world.network);
describeSnippets(() => world);
// Last: the calls of operators drain the ingress.
describeCalls(() => world);

/** Names of what no test runs. */
function notRun(blocks = documentedBlocks()): string[] {
  return blocks.flatMap((block) => {
    if (block.language === 'ts') return [];
    if (block.language !== 'sh') return [block.name];
    return shellLines(block).flatMap(({ kind, name }) => (kind === 'other' ? [name] : []));
  });
}

describe('a block of the documentation', () => {
  test('is run, or stands in the table of exceptions with its reason', () => {
    expect(notRun().filter((name) => NOT_RUN[name] === undefined)).toEqual([]);
  });

  test('that is an exception is still documented', () => {
    const names = new Set(notRun());
    expect(Object.keys(NOT_RUN).filter((name) => !names.has(name))).toEqual([]);
  });

  test('that is neither is named', () => {
    const markdown = [
      '```sh',
      'curl "$URL/v1/models"',
      'make \\',
      '  install # now',
      '```',
      '- a list',
      '  ```yaml',
      '  a: 1',
      '  ```',
    ].join('\n');
    expect(notRun(blocksIn('docs/new.md', markdown))).toEqual([
      'docs/new.md: make install',
      'docs/new.md: a: 1',
    ]);
  });
});
