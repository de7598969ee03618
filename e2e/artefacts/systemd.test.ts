import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { PACKAGING, packagingFile } from './files.ts';

const UNITS = readdirSync(join(PACKAGING, 'systemd')).filter((name) => name.endsWith('.service'));
/** Exposure of a unit as systemd computes it, in tenths: 0 is fully isolated, 100 is not at all. */
const MOST_EXPOSURE = 20;

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dinf-systemd-'));
});
afterEach(() => {
  // The script of the units makes a folder that nothing can be removed from.
  execFileSync('chmod', ['-R', 'u+w', folder]);
  rmSync(folder, { recursive: true });
});

/** The values of a setting, which may be there several times. */
const settingsOf = (unit: string, setting: string): string[] =>
  [...packagingFile(`systemd/${unit}`).matchAll(new RegExp(`^${setting}=(.*)$`, 'gm'))].map(
    ([, value = '']) => value,
  );

/** A copy of a unit whose programs exist on this machine. */
function checkable(unit: string): string {
  const path = join(folder, unit);
  const text = packagingFile(`systemd/${unit}`);
  writeFileSync(path, text.replaceAll(/^(Exec\w+=)(?:dinf|nats-server) /gm, '$1/bin/true '));
  return path;
}

const analyze = (args: readonly string[]) =>
  spawnSync('systemd-analyze', args, {
    encoding: 'utf8',
    env: { ...process.env, SYSTEMD_PAGER: '' },
  });

describe.each(UNITS)('%s', (unit) => {
  test('is accepted by systemd, without an unknown setting', ({ skip }) => {
    skip(analyze(['--version']).error !== undefined, 'systemd is not installed');
    // It also reports on units of this machine that the unit names.
    const { stderr } = analyze(['verify', checkable(unit)]);
    expect(stderr.split('\n').filter((line) => line.includes(unit))).toEqual([]);
  });

  test('is isolated as far as its program permits', ({ skip }) => {
    skip(analyze(['--version']).error !== undefined, 'systemd is not installed');
    const { status, stdout } = analyze([
      'security',
      '--offline=true',
      `--threshold=${MOST_EXPOSURE}`,
      checkable(unit),
    ]);
    expect(status, stdout).toBe(0);
  });

  test('runs as a user that the file for systemd-sysusers makes', () => {
    const users = [...packagingFile('systemd/d-inference.sysusers').matchAll(/^u (\S+) /gm)];
    expect(settingsOf(unit, 'User')).toHaveLength(1);
    expect(users.map(([, name]) => name)).toContain(settingsOf(unit, 'User')[0]);
  });

  test('starts in a folder that systemd makes for it', () => {
    const made = ['StateDirectory', 'RuntimeDirectory'].flatMap((setting) =>
      settingsOf(unit, setting),
    );
    const [working = ''] = settingsOf(unit, 'WorkingDirectory');
    expect(made).toContain(working.replace(/^%[St]\//, ''));
  });
});

test('the two units with the keys of the network read the same credentials and settings', () => {
  for (const setting of [
    'LoadCredential',
    'EnvironmentFile',
    'User',
    'ExecStartPre',
    'ProtectSystem',
  ])
    expect(settingsOf('d-inference-migrate.service', setting), setting).toEqual(
      settingsOf('d-inference-coordinator.service', setting),
    );
});

test('the credentials of a unit become a home whose keys cannot be added to', () => {
  const [credentials, home] = [join(folder, 'credentials'), join(folder, 'home')];
  mkdirSync(credentials);
  mkdirSync(home);
  // systemd names the file FILE of a folder that is loaded as ID "ID_FILE".
  for (const name of [
    'network-plan.json',
    'keys_core.creds',
    'keys_log.pem',
    'keys_receipts_0001.pem',
  ])
    writeFileSync(join(credentials, name), name, { mode: 0o400 });
  chmodSync(credentials, 0o500);
  const { stderr, status } = spawnSync('sh', [join(PACKAGING, 'systemd/link-credentials.sh')], {
    env: { PATH: process.env['PATH'], DINF_HOME: home, CREDENTIALS_DIRECTORY: credentials },
    encoding: 'utf8',
  });
  expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
  const text = (name: string) => readFileSync(join(home, name), 'utf8');
  expect(text('network-plan.json')).toBe('network-plan.json');
  expect(text('keys/core.creds')).toBe('keys_core.creds');
  expect(text('keys/log.pem')).toBe('keys_log.pem');
  expect(text('keys/receipts/0001.pem')).toBe('keys_receipts_0001.pem');
  expect(existsSync(join(home, 'keys/receipts_0001.pem'))).toBe(false);
  expect(execFileSync('stat', ['--format=%a', join(home, 'keys')], { encoding: 'utf8' })).toBe(
    '500\n',
  );
});
