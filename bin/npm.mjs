// Finds npm, runs it under a given Node, and explains in one sentence why it failed.
import { spawn } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { basename, delimiter, dirname, join } from 'node:path';

/**
 * An expected failure of the setup, which is printed without a stack. The exit codes are those of
 * bus-schemas/exit-codes.ts, which older Nodes cannot load.
 */
export class SetupError extends Error {
  /**
   * @param {number} exitCode
   * @param {string} message
   */
  constructor(exitCode, message) {
    super(message);
    this.name = 'SetupError';
    this.exitCode = exitCode;
  }
}

/**
 * Returns how to start npm: as npm's own script under the given Node if the script is found,
 * otherwise as the first program named npm, such as the shim of a version manager.
 * @param {string} node
 * @param {NodeJS.ProcessEnv} env
 * @returns {{ command: string, args: string[] } | undefined}
 */
export function findNpm(node, env) {
  const launchedBy = env['npm_execpath'];
  const bundled = join(dirname(dirname(node)), 'lib', 'node_modules', 'npm', 'bin', 'npm-cli.js');
  const onPath = (env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'npm'));
  for (const candidate of [launchedBy, bundled, ...onPath]) {
    if (!candidate || !existsSync(candidate)) continue;
    const real = realpathSync(candidate);
    if (basename(real) === 'npm-cli.js') return { command: node, args: [real] };
    if (basename(candidate) === 'npm') return { command: candidate, args: [] };
  }
  return undefined;
}

/**
 * Runs npm in a folder, and throws a SetupError with the reason if it fails. A signal that ends
 * this process ends npm first.
 * @param {{ node: string, args: string[], cwd: string, what: string, onStart?: (pid: number) =>
 * void }} order
 */
export async function runNpm({ node, args, cwd, what, onStart }) {
  const npm = findNpm(node, process.env);
  if (!npm)
    throw new SetupError(
      69,
      `npm is not on PATH, but it is needed to install ${what}. npm comes with Node: https://nodejs.org`,
    );
  const env = {
    ...process.env,
    PATH: dirname(node) + delimiter + (process.env['PATH'] ?? ''),
    npm_config_update_notifier: 'false',
  };
  const child = spawn(npm.command, [...npm.args, ...args], {
    cwd,
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  if (child.pid) onStart?.(child.pid);
  const stop = (/** @type {NodeJS.Signals} */ signal) => {
    child.kill(signal);
    child.once('close', () => {
      process.off(signal, stop);
      process.kill(process.pid, signal);
    });
  };
  const signals = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']);
  for (const signal of signals) process.on(signal, stop);
  let output = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    output = (output + text).slice(-20_000);
  });
  try {
    const code = await new Promise((resolve, reject) =>
      child.once('error', reject).once('close', resolve),
    );
    if (code !== 0) throw explainNpmFailure(what, output);
  } finally {
    for (const signal of signals) process.off(signal, stop);
  }
}

/**
 * @param {string} what
 * @param {string} output what npm wrote to stderr
 */
export function explainNpmFailure(what, output) {
  const code = /npm (?:error|ERR!) code (\w+)/.exec(output)?.[1] ?? '';
  const lines = output
    .split('\n')
    .filter(
      (line) =>
        /^npm (error|ERR!) \S/.test(line) && !/A complete log|^npm (error|ERR!) code/.test(line),
    );
  const detail =
    lines
      .slice(0, 3)
      .map((line) => line.replace(/^npm (error|ERR!) /, ''))
      .join('; ') || 'npm printed no error';
  if (
    /^(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT)$/.test(
      code,
    )
  ) {
    return new SetupError(
      69,
      `cannot reach the npm registry, so ${what} cannot be installed (${code}). Check the network or the proxy (npm config get registry) and try again.`,
    );
  }
  if (code === 'ENOSPC')
    return new SetupError(74, `the disk is full: ${what} could not be installed.`);
  if (/^(EACCES|EPERM|EROFS)$/.test(code))
    return new SetupError(74, `no permission to write into the folder of ${what}: ${detail}`);
  if (code === 'EINTEGRITY')
    return new SetupError(
      1,
      `${what}: the download does not match the checksum in the lock file. Clear npm's cache (npm cache clean --force) and try again. ${detail}`,
    );
  return new SetupError(1, `npm could not install ${what}${code ? ` (${code})` : ''}: ${detail}`);
}
