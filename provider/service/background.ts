import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, openSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { homedir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import { messageOf } from '#bus-schemas/message-of.ts';
import { replace } from '#bus-schemas/saved-file.ts';
import { logPath } from './log-file.ts';

/**
 * Starts the service of a machine in the background: by the service manager of the system where it
 * is installed there, and otherwise as a process of its own that outlives the terminal.
 */

export interface BackgroundService {
  readonly home: string;
  /** Command line of the supervisor: the program, then its arguments. */
  readonly command: readonly [string, ...string[]];
  /** Environment variables that the service needs besides those of the user's session. */
  readonly env: Readonly<Record<string, string>>;
}

const run = promisify(execFile);
const NAME = 'dinf-provider';
const LABEL = 'org.d-inference.provider';
const STATE_MODE = 0o644;

/**
 * Starts a process that outlives this one. The program stops with npm or with the process that wraps
 * it (bin/run-under.mjs), which it recognises by two variables; the service must not.
 */
function startDetached({ home, command, env }: BackgroundService): void {
  const { npm_lifecycle_event: _npm, DINF_PARENT: _wrapper, ...inherited } = process.env;
  mkdirSync(dirname(logPath(home)), { recursive: true, mode: 0o700 });
  const log = openSync(logPath(home), 'a', 0o600);
  spawn(command[0], command.slice(1), {
    detached: true,
    stdio: ['ignore', log, log],
    cwd: home,
    env: { ...inherited, ...env },
  }).unref();
}

/** Exit codes after which another start cannot help: ended in order, wrong settings, already runs. */
const FINAL_CODES = [EXIT.ok, EXIT.usage, EXIT.unavailable].join(' | ');
/**
 * Runs its arguments, and runs them again after a pause if they were killed or failed. The pause
 * grows from one second to one minute, and is short again after a run of a minute.
 */
const KEEPER = `pause=1
while :; do
  began=$(date +%s)
  "$@"
  code=$?
  case $code in ${FINAL_CODES}) exit $code ;; esac
  [ $(($(date +%s) - began)) -ge 60 ] && pause=1
  sleep $pause
  [ $pause -lt 60 ] && pause=$((pause * 2))
done`;

/**
 * Starts a service that outlives this process, and that a shell starts again if it is killed. A
 * service manager does the same for the services that it knows.
 */
export const startKept = ({ command, ...service }: BackgroundService): void =>
  startDetached({ ...service, command: ['/bin/sh', '-c', KEEPER, NAME, ...command] });

/**
 * Starts a process that outlives the service of its home. systemd ends all processes of a service
 * with it, so there the process becomes a unit of its own.
 */
export function startApart(service: BackgroundService): void {
  const { home, command, env } = service;
  if (process.platform === 'darwin' || !isInstalled(home)) return startDetached(service);
  const variables = Object.entries(env).map(([name, value]) => `--setenv=${name}=${value}`);
  startDetached({
    home,
    command: ['systemd-run', '--user', '--collect', '--quiet', ...variables, '--', ...command],
    env,
  });
}

/** Whether the service manager of this system starts the machine of this home. */
export const isInstalled = (home: string): boolean => existsSync(definitionPath(home));

/** Lets the service manager start the machine now and after each start of the computer. */
export async function install(service: BackgroundService): Promise<readonly string[]> {
  const { home } = service;
  const path = definitionPath(home);
  await mkdir(dirname(path), { recursive: true });
  if (process.platform === 'darwin') {
    await replace(path, launchdPlist(service), STATE_MODE);
    await manage('launchctl', ['bootstrap', `gui/${userInfo().uid}`, path]);
    return [];
  }
  await replace(path, systemdUnit(service), STATE_MODE);
  try {
    await manage('systemctl', ['--user', 'daemon-reload']);
    await manage('systemctl', ['--user', 'enable', '--now', nameOf(home)]);
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
  // Without this, systemd ends the service when its user logs out.
  return run('loginctl', ['enable-linger']).then(
    () => [],
    (error: unknown) => [
      `The service ends when you log out, because "loginctl enable-linger" failed: ${messageOf(error)}`,
    ],
  );
}

export async function startInstalled(home: string): Promise<void> {
  if (process.platform === 'darwin')
    await manage('launchctl', ['kickstart', `gui/${userInfo().uid}/${labelOf(home)}`]);
  else await manage('systemctl', ['--user', 'start', nameOf(home)]);
}

/** Removes the machine from the service manager, which stops it. */
export async function uninstall(home: string): Promise<void> {
  if (process.platform === 'darwin')
    await manage('launchctl', ['bootout', `gui/${userInfo().uid}/${labelOf(home)}`]);
  else await manage('systemctl', ['--user', 'disable', '--now', nameOf(home)]);
  await rm(definitionPath(home), { force: true });
}

/** Different homes are different services. */
function suffixOf(home: string): string {
  if (home === join(homedir(), '.dinf', 'provider')) return '';
  return `-${createHash('sha256').update(home).digest('hex').slice(0, 8)}`;
}

const nameOf = (home: string): string => `${NAME}${suffixOf(home)}`;
const labelOf = (home: string): string => `${LABEL}${suffixOf(home)}`;

function definitionPath(home: string): string {
  return process.platform === 'darwin'
    ? join(homedir(), 'Library', 'LaunchAgents', `${labelOf(home)}.plist`)
    : join(homedir(), '.config', 'systemd', 'user', `${nameOf(home)}.service`);
}

async function manage(program: string, args: readonly string[]): Promise<void> {
  try {
    await run(program, args);
  } catch (cause) {
    throw new CommandError(
      EXIT.unavailable,
      `The service manager of this system cannot be used: ${messageOf(cause).trim()}. "dinf provider start" runs without it, until the computer is restarted.`,
      { cause },
    );
  }
}

export function systemdUnit({ home, command, env }: BackgroundService): string {
  const variables = Object.entries(env).map(
    ([name, value]) => `Environment=${systemdQuoted(`${name}=${value}`)}`,
  );
  return `[Unit]
Description=d-inference provider (${home})
After=network-online.target

[Service]
ExecStart=${command.map(systemdQuoted).join(' ')}
WorkingDirectory=${home}
${variables.join('\n')}
Restart=on-failure
RestartSec=5
TimeoutStopSec=90
KillMode=mixed

[Install]
WantedBy=default.target
`;
}

/** A word in a unit file: systemd expands `%` and `$`, and splits at spaces. */
const systemdQuoted = (word: string): string =>
  `"${word.replaceAll(/["\\]/g, '\\$&').replaceAll('%', '%%').replaceAll('$', '$$$$')}"`;

export function launchdPlist({ home, command, env }: BackgroundService): string {
  const strings = command.map((word) => `    <string>${xml(word)}</string>`);
  const variables = Object.entries(env).map(
    ([name, value]) => `    <key>${xml(name)}</key><string>${xml(value)}</string>`,
  );
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key><string>${xml(labelOf(home))}</string>
  <key>ProgramArguments</key>
  <array>
${strings.join('\n')}
  </array>
  <key>EnvironmentVariables</key>
  <dict>
${variables.join('\n')}
  </dict>
  <key>WorkingDirectory</key><string>${xml(home)}</string>
  <key>RunAtLoad</key><true/>
  <key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>
  <key>ExitTimeOut</key><integer>90</integer>
  <key>StandardOutPath</key><string>${xml(logPath(home))}</string>
  <key>StandardErrorPath</key><string>${xml(logPath(home))}</string>
</dict>
</plist>
`;
}

const xml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
