import { describe, expect, test } from 'vitest';
import { publicAccess } from './public-access.ts';

const HTTP = { host: '127.0.0.1', port: 8080 };
const TLS = { tlsCert: '/c.pem', tlsKey: '/k.pem' };

describe('a network for other machines', () => {
  test('is off without --public', () => expect(publicAccess({}, HTTP)).toBeUndefined());

  test('has the certificate on port 443, and the loopback listener without TLS', () => {
    const { url, host, config } = publicAccess({ public: 'example.org', ...TLS }, HTTP) ?? {};
    expect({ url, host }).toEqual({ url: 'https://example.org', host: 'example.org' });
    expect(config).toEqual({
      https: { host: '0.0.0.0', port: 443, certificateFile: '/c.pem', keyFile: '/k.pem' },
      publicUrl: 'https://example.org',
      linkUrl: 'https://example.org/link',
    });
  });

  test.each([
    ['example.org:8443', 'https://example.org:8443'],
    ['https://example.org:8443/', 'https://example.org:8443'],
    ['10.0.0.1', 'https://10.0.0.1'],
    ['[fd00::1]:8443', 'https://[fd00::1]:8443'],
  ])('accepts %s as its name', (name, url) =>
    expect(publicAccess({ public: name, ...TLS }, HTTP)?.url).toBe(url),
  );

  test('listens on loopback only behind a proxy, and trusts its X-Forwarded-For', () => {
    const access = publicAccess({ public: 'example.org', behindProxy: true }, HTTP);
    expect(access?.config).toEqual({
      trustedProxies: ['127.0.0.1', '::1'],
      publicUrl: 'https://example.org',
      linkUrl: 'https://example.org/link',
    });
  });

  test('listens without TLS only when told so', () => {
    const access = publicAccess({ public: '10.0.0.1', insecure: true }, HTTP);
    expect(access?.url).toBe('http://10.0.0.1:8080');
    expect(access?.config.http).toEqual({ host: '0.0.0.0', port: 8080 });
  });

  test.each([
    [{ public: 'example.org' }, /needs one of these/],
    [{ public: 'example.org', ...TLS, insecure: true }, /needs one of these/],
    [{ public: 'example.org', tlsCert: '/c.pem' }, /belong together/],
    [{ public: 'a b', insecure: true }, /not a host name/],
    [{ insecure: true }, /need --public/],
    [TLS, /need --public/],
  ])('refuses %j', (options, message) =>
    expect(() => publicAccess(options, HTTP)).toThrow(message),
  );
});
