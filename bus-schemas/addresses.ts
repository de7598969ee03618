const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|::1|\[::1\])$/;

/** Whether connections to this host name or address cannot leave the machine. */
export const isLoopback = (host: string): boolean => LOOPBACK.test(host);

/** Whether one of the addresses of the hubs demands TLS. */
export const demandTls = (urls: readonly string[]): boolean =>
  urls.some((url) => url.startsWith('tls://'));
