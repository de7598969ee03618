import { expect, test } from 'vitest';
import { allowedAddress } from './image-address.ts';

const HOSTS = ['images.example.com', '*.example.org'];

test.each([
  'https://images.example.com/a.png',
  'https://IMAGES.example.com:443/a.png?size=1',
  'https://a.b.example.org/',
  // The URL parser reads a backslash as a slash, so this is a path of the allowed host.
  'https://images.example.com\\@evil.test/',
])('%s is allowed', (text) => {
  expect(allowedAddress(text, HOSTS).hostname).toMatch(/^images\.example\.com$|\.example\.org$/);
});

test.each([
  ['http://images.example.com/', 'only https:'],
  ['ftp://images.example.com/', 'only https:'],
  ['file:///etc/passwd', 'only https:'],
  ['https://images.example.com:8443/', 'only port 443'],
  ['https://ann:secret@images.example.com/', 'a name and a password'],
  ['https://example.org/', 'does not allow its host'],
  ['https://images.example.com.evil.test/', 'does not allow its host'],
  ['https://evil-images.example.com/', 'does not allow its host'],
  ['https://evilexample.org/', 'does not allow its host'],
  ['https://images.example.com./', 'does not allow its host'],
  ['https://evil.test#images.example.com', 'does not allow its host'],
  ['https://127.0.0.1/', 'must have a name'],
  ['https://2130706433/', 'must have a name'],
  ['https://0x7f.1/', 'must have a name'],
  ['https://0177.0.0.1/', 'must have a name'],
  ['https://①②⑦.0.0.1/', 'must have a name'],
  ['https://[::1]/', 'must have a name'],
  ['https://[::ffff:127.0.0.1]/', 'must have a name'],
  ['images.example.com', 'not a URL'],
  [`https://images.example.com/${'a'.repeat(2_048)}`, 'not a URL'],
])('%s is refused: %s', (text, reason) => {
  expect(() => allowedAddress(text, [...HOSTS, '*.0.0.1'])).toThrow(reason);
});
