import { describe, expect, test } from 'vitest';
import {
  ConfigError,
  isSet,
  SETTING_GROUPS,
  type SettingName,
  setting,
  withoutSecrets,
} from './settings.ts';

describe('a setting', () => {
  test('that is not set or empty has its default, or no value', () => {
    expect(setting('DINF_HTTP_PORT', {})).toBe(8080);
    expect(setting('DINF_HTTP_PORT', { DINF_HTTP_PORT: '' })).toBe(8080);
    expect(setting('DINF_PUBLIC_URL', { DINF_PUBLIC_URL: '' })).toBeUndefined();
    expect(setting('DINF_TRUSTED_PROXIES', {})).toEqual([]);
    expect(isSet('DINF_HTTP_PORT', { DINF_HTTP_PORT: '' })).toBe(false);
    expect(isSet('DINF_HTTP_PORT', { DINF_HTTP_PORT: '0' })).toBe(true);
  });

  test('has the type of its schema', () => {
    expect(setting('DINF_QUEUE_DEPTH', { DINF_QUEUE_DEPTH: '0' })).toBe(0);
    expect(setting('OTEL_TRACES_SAMPLER_ARG', { OTEL_TRACES_SAMPLER_ARG: '0.25' })).toBe(0.25);
    expect(setting('DINF_INSECURE', { DINF_INSECURE: '1' })).toBe(true);
    expect(setting('DINF_OTEL', { DINF_OTEL: '0' })).toBe(false);
    expect(setting('DINF_MIN_TRUST', { DINF_MIN_TRUST: 'hardware' })).toBe('hardware');
    expect(setting('DINF_NATS_URL', { DINF_NATS_URL: 'tls://a:1, tls://b:2,' })).toEqual([
      'tls://a:1',
      'tls://b:2',
    ]);
  });

  test('that is a list cannot change the default of the next caller', () => {
    setting('DINF_NATS_URL', {}).push('nats://elsewhere:4222');
    expect(setting('DINF_NATS_URL', {})).toEqual(['nats://127.0.0.1:4222']);
  });

  test.each<[SettingName, string, string]>([
    [
      'DINF_HTTP_PORT',
      '70000',
      'DINF_HTTP_PORT is "70000", which is not allowed. It must be a whole number from 0 to 65535.',
    ],
    [
      'DINF_DRAIN_MS',
      '1.5',
      'DINF_DRAIN_MS is "1.5", which is not allowed. It must be a whole number from 0 to 3600000 (milliseconds).',
    ],
    [
      'DINF_DRAIN_MS',
      ' ',
      'DINF_DRAIN_MS is " ", which is not allowed. It must be a whole number from 0 to 3600000 (milliseconds).',
    ],
    [
      'DINF_MIN_TRUST',
      'full',
      'DINF_MIN_TRUST is "full", which is not allowed. It must be one of none, self_signed, hardware.',
    ],
    ['DINF_INSECURE', 'yes', 'DINF_INSECURE is "yes", which is not allowed. It must be 0 or 1.'],
    [
      'DINF_OIDC_ALGORITHMS',
      'ES256,HS256',
      'DINF_OIDC_ALGORITHMS is "ES256,HS256", which is not allowed. It must be a list separated by commas, each one of ES256, ES384, ES512, PS256, RS256, EdDSA.',
    ],
    [
      'DINF_MDM_URL',
      'mdm.example',
      'DINF_MDM_URL is "mdm.example", which is not allowed. It must be a URL that begins with https:// or http://.',
    ],
    [
      'DINF_MDM_WEBHOOK_SECRET',
      'too short',
      'DINF_MDM_WEBHOOK_SECRET has a value that is not allowed. It must be a text of at least 16 characters.',
    ],
  ])('%s of %o is refused with its name, value and allowed form', (name, value, message) => {
    expect(() => setting(name, { [name]: value })).toThrow(new ConfigError(message));
  });
});

test('a child process gets no secret of its parent', () => {
  const env = { PATH: '/bin', DINF_LOG: 'info', HF_TOKEN: 'a', DATABASE_URL: 'b', OTHER: 'c' };
  expect(withoutSecrets(env)).toEqual({ PATH: '/bin', DINF_LOG: 'info', OTHER: 'c' });
});

test('every default has the form that its schema demands', () => {
  const settings = Object.values(SETTING_GROUPS).flatMap((group) => Object.entries(group));
  for (const [name, { default: value }] of settings as [SettingName, { default?: unknown }][]) {
    if (value === undefined || value === '' || (Array.isArray(value) && value.length === 0))
      continue;
    const text = typeof value === 'boolean' ? String(Number(value)) : String(value);
    expect(setting(name, { [name]: text }), name).toEqual(value);
  }
});
