import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { homeFolder } from '#bus-schemas/running-network.ts';
import { setting } from '#bus-schemas/settings/settings.ts';
import { commandsPage } from './commands-page.ts';
import { assemble, parts } from './program.ts';

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
