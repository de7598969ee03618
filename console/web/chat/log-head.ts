import type { PrintedHead } from '#client/log-view.ts';
import { SealedError } from '#client/sealed-error.ts';

/**
 * The newest head of the transparency log that this browser has accepted. It is no secret, and it
 * stays when its person signs out: every later head must extend it. The attack that it prevents: a
 * network that shows this browser another log for one request.
 */
const NAME = 'dinf.log-head';

export function readLogHead(): PrintedHead | undefined {
  const text = localStorage.getItem(NAME);
  if (text === null) return undefined;
  try {
    return JSON.parse(text) as PrintedHead;
  } catch (cause) {
    throw new SealedError(
      'unreadable_answer',
      'The head of the log that this browser has stored cannot be read. Delete the data of this site in the browser to start with the present head.',
      { cause },
    );
  }
}

/** Without room, the head is kept until the page is closed. */
export function storeLogHead(head: PrintedHead): void {
  try {
    localStorage.setItem(NAME, JSON.stringify(head));
  } catch (error) {
    console.warn('the head of the log cannot be stored', error);
  }
}
