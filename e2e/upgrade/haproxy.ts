import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { vi } from 'vitest';
import { type SupervisedProcess, startSupervised } from '#provider';
import { blocksIn } from '../documentation/blocks.ts';

const PAGE = 'docs/operating/upgrade.md';

/** Reason why tests with HAProxy cannot run here, or undefined. */
export function whyNoHaproxy(): string | undefined {
  const { error } = spawnSync('haproxy', ['-v']);
  return error === undefined ? undefined : "Debian's package haproxy is not installed";
}

/**
 * Starts HAProxy with the configuration of the documentation. Only its addresses are replaced, and
 * the certificate is left out.
 */
export async function startHaproxy(options: {
  readonly folder: string;
  readonly port: number;
  readonly ingressPorts: readonly [number, number];
}): Promise<SupervisedProcess> {
  const block = blocksIn(PAGE).find(({ language }) => language === 'haproxy');
  if (block === undefined) throw new Error(`${PAGE} has no configuration of HAProxy`);
  const [first, second] = options.ingressPorts;
  const replaced = [
    [/bind :443 .*/g, `bind 127.0.0.1:${options.port}`],
    ['10.0.0.1:8080', `127.0.0.1:${first}`],
    ['10.0.0.2:8080', `127.0.0.1:${second}`],
  ] as const;
  const config = replaced.reduce((text, [from, to]) => {
    if (text.search(from) === -1) throw new Error(`${PAGE}: the configuration lacks ${from}`);
    return text.replaceAll(from, to);
  }, block.text);
  const file = join(options.folder, 'haproxy.cfg');
  await writeFile(file, `${config}\n`);
  const haproxy = await startSupervised({
    name: 'haproxy',
    command: 'haproxy',
    args: ['-db', '-V', '-f', file],
    isReady: (line) => /^Using .* polling mechanism/.test(line),
  });
  // It prints this line before it listens.
  await vi.waitFor(() => fetch(`http://127.0.0.1:${options.port}/readyz`));
  return haproxy;
}
