import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { launchdPlist, systemdUnit } from './background.ts';

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
