import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { homeFolder } from '#bus-schemas/running-network.ts';
import { setting } from '#bus-schemas/settings/settings.ts';
import { commandsPage } from './commands-page.ts';
import { assemble, parts, partsFor } from './program.ts';

/** DINF_WRITE_API=1 writes the page. */
const PAGE = join(import.meta.dirname, '../docs/commands.md');
/** A home in which no network runs. */
const NO_HOME = 'no-network-runs-here';

let program: Command;
let page: string;
beforeAll(async () => {
  const isWritten = setting('DINF_WRITE_API');
  for (const name of Object.keys(process.env))
    if (name.startsWith('DINF_')) vi.stubEnv(name, undefined);
  vi.stubEnv('DINF_HOME', NO_HOME);
  program = await assemble(parts, (line) => {
    throw new Error(line);
  });
  page = commandsPage(program, { path: homeFolder(process.env), text: '.dinf' });
  if (isWritten) writeFileSync(PAGE, page);
});
afterAll(() => vi.unstubAllEnvs());

test('docs/commands.md is what the commands are defined as (DINF_WRITE_API=1 writes it)', () => {
  expect(readFileSync(PAGE, 'utf8')).toBe(page);
});

test('each part of the program lists the commands that it declares', async () => {
  for (const part of parts) {
    const alone = await assemble([part], (line) => {
      throw new Error(line);
    });
    const declared = alone.commands.flatMap((command) => [command.name(), ...command.aliases()]);
    expect(declared, part.name).toEqual(part.commands);
  }
});

test('a command loads its own part; help and unknown commands load all', () => {
  expect(partsFor(['ledger', '--help']).map(({ name }) => name)).toEqual(['operators']);
  for (const args of [[], ['--help'], ['help', 'ledger'], ['legder']])
    expect(partsFor(args)).toEqual(parts);
});

test('it has every command and every option', () => {
  const walk = (command: Command, path: string): string[] => [
    path,
    ...command.options.flatMap(({ long }) => long ?? []),
    ...command.commands.flatMap((each) => walk(each, `${path} ${each.name()}`)),
  ];
  const names = program.commands.flatMap((command) => walk(command, `dinf ${command.name()}`));
  expect(names.length).toBeGreaterThan(100);
  expect(names.filter((name) => !page.includes(name))).toEqual([]);
});
