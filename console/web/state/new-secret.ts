/**
 * The secret of the key that was made last, for the snippets of the quick start. It is only in the
 * memory of this page.
 */
let secret: string | undefined;

export const newSecret = (): string | undefined => secret;

export function keepNewSecret(text: string | undefined): void {
  secret = text;
}
