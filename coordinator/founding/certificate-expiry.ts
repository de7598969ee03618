import { X509Certificate } from 'node:crypto';

/** Milliseconds since 1970 at which a certificate in PEM expires. */
export const expiryOf = (pem: string): number => Date.parse(new X509Certificate(pem).validTo);
