import { bounded, type Conversation } from './conversation.ts';

/** Conversations are stored in this browser only, for each account, until its person signs out. */
const PREFIX = 'dinf.chats.';

export function storedChats(account: string): Conversation[] {
  const text = localStorage.getItem(PREFIX + account);
  if (text === null) return [];
  try {
    const stored: unknown = JSON.parse(text);
    return Array.isArray(stored) ? (stored as Conversation[]) : [];
  } catch (error) {
    console.warn('the stored conversations cannot be read', error);
    return [];
  }
}

/** Stores the conversations. Without room, the older half of them is dropped. */
export function storeChats(account: string, conversations: readonly Conversation[]): void {
  let kept = bounded(conversations);
  for (;;) {
    try {
      localStorage.setItem(PREFIX + account, JSON.stringify(kept));
      return;
    } catch (error) {
      if (kept.length <= 1) {
        console.warn('the conversation is too long to be stored', error);
        return;
      }
      kept = kept.slice(0, Math.ceil(kept.length / 2));
    }
  }
}

/** Erases the conversations of every account in this browser. */
export function eraseChats(): void {
  for (const name of Object.keys(localStorage))
    if (name.startsWith(PREFIX)) localStorage.removeItem(name);
}
