import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { launchdPlist, startKept, systemdUnit } from './background.ts';

const service = {
  home: '/home/ann/my macs/100%',
  command: [
    '/usr/bin/node',
    '/opt/dinf.mjs',
    'provider',
    'supervise',
    '--home',
    '/home/ann/my macs/100%',
  ],
  env: { DINF_HOME: '/home/ann/<dinf>' },
} as const;

const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0;

describe('the definition for systemd', () => {
  test('quotes paths, and starts the machine again only after a failure', () => {
    const unit = systemdUnit(service);
    expect(unit).toContain('"--home" "/home/ann/my macs/100%%"');
    expect(unit).toContain('Environment="DINF_HOME=/home/ann/<dinf>"');
    expect(unit).toContain('Restart=on-failure');
  });

  test.skipIf(!hasSystemd)('is accepted by systemd-analyze (skipped without systemd)', () => {
    const folder = mkdtempSync(join(tmpdir(), 'dinf-unit-'));
    const file = join(folder, 'dinf-provider.service');
    writeFileSync(file, systemdUnit({ ...service, home: '/tmp', command: ['/bin/true', '100%'] }));
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', file]);
    rmSync(folder, { recursive: true });
    expect(String(stderr)).not.toContain(file);
    expect(status).toBe(0);
  });
});

test('the definition for launchd is valid XML, and starts the machine again only after a failure', () => {
  const plist = launchdPlist(service);
  expect(plist).toContain('<key>DINF_HOME</key><string>/home/ann/&lt;dinf&gt;</string>');
  expect(plist).toMatch(/<key>KeepAlive<\/key><dict><key>SuccessfulExit<\/key><false\/><\/dict>/);
});

test.each([
  ['that is killed is started again', 'kill -9 $$', 'started killed started over'],
  ['that fails is started again', 'exit 1', 'started killed started over'],
  ['that is set up wrongly is not started again', 'exit 64', 'started killed'],
  ['whose home has a running one is not started again', 'exit 69', 'started killed'],
])('without a service manager, a service %s', async (_, end, expected) => {
  const home = mkdtempSync(join(tmpdir(), 'dinf-kept-'));
  const script = `cd ${home}
echo started >> runs
[ -e ended ] && echo over >> runs && exit 0
echo killed >> runs
touch ended
${end}`;
  startKept({ home, command: ['/bin/sh', '-c', script], env: {} });
  const runs = () => readFileSync(join(home, 'runs'), { encoding: 'utf8', flag: 'a+' });
  await expect.poll(runs).toContain('killed');
  const isKept = () => spawnSync('pgrep', ['-f', home]).status === 0;
  await expect.poll(isKept, { timeout: 30_000 }).toBe(false);
  expect(runs().trim().split('\n').join(' ')).toBe(expected);
  rmSync(home, { recursive: true });
});
