import { pino } from 'pino';
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { ConfigError } from '#bus-schemas/settings/settings.ts';
import { offerMetrics } from './listener.ts';
import { measured } from './metrics.ts';
import { metricsAddress } from './metrics-address.ts';

const log = pino({ level: 'silent' });
const LOCAL = { host: '127.0.0.1', port: 0 };

test('a process without a port offers nothing; with a port it listens on loopback unless a host is named', () => {
  expect(metricsAddress({})).toBeUndefined();
  expect(metricsAddress({ DINF_METRICS_PORT: '9464' })).toEqual({ host: '127.0.0.1', port: 9464 });
  expect(metricsAddress({ DINF_METRICS_PORT: '0', DINF_METRICS_HOST: '::' })).toEqual({
    host: '::',
    port: 0,
  });
  expect(() => metricsAddress({ DINF_METRICS_PORT: '70000' })).toThrow(/0 to 65535/);
  expect(() => metricsAddress({ DINF_METRICS_PORT: 'x' })).toThrow(ConfigError);
});

test('the figures include the delay of the event loop, garbage collection and the version', async () => {
  await using listener = await offerMetrics(LOCAL, { metrics: new Registry(), log });
  const response = await fetch(listener.url);
  expect(response.headers.get('content-type')).toContain('text/plain');
  const text = await response.text();
  expect(text).toMatch(/^nodejs_eventloop_lag_p99_seconds /m);
  expect(text).toMatch(/^# TYPE nodejs_gc_duration_seconds histogram$/m);
  expect(text).toMatch(/^dinf_build_info\{version="\d+\.\d+\.\d+"\} 1$/m);
});

test('scrapes that arrive together read each figure once', async () => {
  const metrics = new Registry();
  const released = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  let readings = 0;
  measured(metrics, 'dinf_routing_queue', async () => {
    readings += 1;
    begun.resolve();
    await released.promise;
    return readings;
  });
  await using listener = await offerMetrics(LOCAL, { metrics, log });
  const first = fetch(listener.url);
  await begun.promise;
  const others = [fetch(listener.url), fetch(listener.url)];
  // A request that is answered at once shows that the ones before it have arrived.
  expect((await fetch(new URL('/', listener.url))).status).toBe(404);
  released.resolve();
  for (const response of await Promise.all([first, ...others]))
    expect(await response.text()).toContain('dinf_routing_queue 1\n');
  expect((await fetch(listener.url, { method: 'POST' })).status).toBe(405);
});
