import { globSync } from 'node:fs';
import type { DocumentedCommand } from '../documentation/commands.ts';
import { composeFile, scriptOf } from './compose-file.ts';
import { PACKAGING, packagingFile } from './files.ts';

/** The commands of this program that images, units, compose and the chart run. */
export function artefactCommands(): DocumentedCommand[] {
  const byLine = new Map<string, DocumentedCommand>();
  for (const command of [...ofImages(), ...ofUnits(), ...ofCompose(), ...ofChart()])
    if (!byLine.has(command.line)) byLine.set(command.line, command);
  return [...byLine.values()];
}

const inFile = (name: string, lines: readonly string[]): DocumentedCommand[] =>
  lines.map((line) => ({ file: `packaging/${name}`, line }));

function ofImages(): DocumentedCommand[] {
  const name = 'containers/Containerfile';
  const stages = packagingFile(name).split(/^FROM /m);
  const commands = stages
    .filter((stage) => stage.startsWith('runtime '))
    .flatMap((stage) => [...stage.matchAll(/^CMD (\[.*\])$/gm)])
    .map(([, list = '[]']) => (JSON.parse(list) as string[]).join(' '));
  const built = [...packagingFile(name).matchAll(/bin\/dinf\.mjs (\w.*)$/gm)];
  return inFile(name, [...commands, ...built.map(([, line = '']) => line)]);
}

function ofUnits(): DocumentedCommand[] {
  return globSync('systemd/*.service', { cwd: PACKAGING }).flatMap((name) =>
    inFile(
      name,
      [...packagingFile(name).matchAll(/^ExecStart\w*=dinf (.*)$/gm)].map(([, line = '']) =>
        line.replace(/ \$\w+/g, ''),
      ),
    ),
  );
}

function ofCompose(): DocumentedCommand[] {
  const name = 'compose.yaml';
  const services = Object.values(composeFile().services);
  const direct = services
    .filter(({ image, entrypoint }) => /coordinator|provider/.test(image) && !entrypoint)
    .map(({ command = [] }) => command.join(' '));
  const scripts = services
    .flatMap(scriptOf)
    .filter((line) => line.startsWith('dinf '))
    .map((line) => line.slice('dinf '.length));
  const typed = [...packagingFile(name).matchAll(/^ *#.*\bdinf (\w[^:#]*)$/gm)];
  return inFile(name, [...direct, ...scripts, ...typed.map(([, line = '']) => line.trim())]);
}

function ofChart(): DocumentedCommand[] {
  return globSync('helm/d-inference/templates/*', { cwd: PACKAGING }).flatMap((name) =>
    inFile(
      name,
      [...packagingFile(name).matchAll(/"args" \(list ((?:"[^"]+" ?)+)/g)].map(([, words = '']) =>
        words.replaceAll('"', '').trim(),
      ),
    ),
  );
}
