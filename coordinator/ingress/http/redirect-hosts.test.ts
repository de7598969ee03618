import { expect, test } from 'vitest';
import { RedirectHosts } from './redirect-hosts.ts';

const hosts = new RedirectHosts({
  publicUrl: 'https://api.example.org/',
  hosts: ['Shop.example.com', 'shop.example.com:8443'],
});
const isAllowed = (address: string): boolean => {
  try {
    hosts.check('return_url', address);
    return true;
  } catch {
    return false;
  }
};

test.each([
  'https://api.example.org/earnings',
  'https://shop.example.com/back?x=1',
  'https://shop.example.com:8443/back',
  'http://localhost:8080/money',
  'http://127.0.0.1:9999/money',
  'http://[::1]:8080/money',
])('Stripe may send people back to %s', (address) => {
  expect(isAllowed(address)).toBe(true);
});

test.each([
  'https://evil.example/',
  'https://api.example.org.evil.example/',
  'https://api.example.org:444/',
  'https://api.example.org@evil.example/',
  'https://user:secret@api.example.org/',
  'http://evil.example/https://api.example.org/',
  'https://shop.example.com:9443/',
  'https://sub.shop.example.com/',
  'https://localhost.evil.example/',
  'https://',
])('Stripe may not send people to %s', (address) => {
  expect(isAllowed(address)).toBe(false);
});
