import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { DINF, operatorSettings } from '../dinf-program.ts';
import { expectAnswer } from './answers.ts';
import { documentedBlocks, type ShellLine, shellLines } from './blocks.ts';
import { type Filling, fillings } from './fillings.ts';
import { calledOperation, type Operation, operationOf } from './operations.ts';
import type { World } from './world.ts';

/**
 * Runs the documented calls of the API with `curl`, as a reader would in a shell, and checks each
 * answer against the API's documents.
 */

const run = promisify(execFile);
/** Tells curl, without a change of the call, to print the status behind the answer. */
const CURL_SETTINGS = 'silent\nshow-error\nmax-time = 30\nwrite-out = "\\n%{http_code}"\n';
/** The program of this repository instead of an installed one. */
const NPX = 'npx() { shift; "$NODE" "$DINF" "$@"; }';
const PRINTED_URL = 'http://127.0.0.1:8080';
const PRINTED_KEY = 'sk-db-…';

const documentedCalls = (): ShellLine[] =>
  documentedBlocks()
    .filter(({ language }) => language === 'sh')
    .flatMap(shellLines)
    .filter(({ kind }) => kind === 'call');

export function describeCalls(world: () => World): void {
  describe('a documented call', () => {
    test.each(documentedCalls().map((line) => ({ ...line, called: calledOperation(line.text) })))(
      '$called ($file) is answered as documented',
      async ({ text: line, called }) => {
        const operation: Operation = operationOf(line) ?? { name: called, reply: undefined };
        const filling = (await fillings[operation.name]?.(world())) ?? {};
        const { status, text } = await runCall(world(), line, filling);
        expect(status, `${called} answered ${text}`).toBe(200);
        expectAnswer(operation, text);
      },
    );

    test('names only operations that are documented, in the table of placeholders', () => {
      const called = new Set(documentedCalls().map(({ text }) => operationOf(text)?.name));
      expect(Object.keys(fillings).filter((name) => !called.has(name))).toEqual([]);
    });
  });
}

async function runCall(
  world: World,
  line: string,
  { variables = {}, texts = [], files = {} }: Filling,
): Promise<{ status: number; text: string }> {
  const { network, person, apiKey, operatorKey } = world;
  const folder = await mkdtemp(join(tmpdir(), 'dinf-call-'));
  try {
    for (const [name, bytes] of Object.entries({ '.curlrc': CURL_SETTINGS, ...files }))
      await writeFile(join(folder, name), bytes);
    const replaced = [
      [PRINTED_URL, network.url] as const,
      [PRINTED_KEY, apiKey] as const,
      ...texts,
    ];
    const real = replaced.reduce((text, [from, to]) => text.replaceAll(from, to), line);
    const { stdout } = await run('sh', ['-eu', '-c', `${NPX}\n${real}`], {
      cwd: folder,
      timeout: 60_000,
      maxBuffer: 16 * 1024 * 1024,
      env: {
        ...process.env,
        ...operatorSettings(network.network),
        NO_COLOR: '1',
        CURL_HOME: folder,
        NODE: process.execPath,
        DINF,
        URL: network.url,
        ADMIN_URL: network.network.coordinator.adminUrl,
        API_KEY: apiKey,
        TOKEN: person.token,
        OPERATOR_KEY: operatorKey,
        ...variables,
      },
    });
    const end = stdout.lastIndexOf('\n');
    return { text: stdout.slice(0, end), status: Number(stdout.slice(end + 1)) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
