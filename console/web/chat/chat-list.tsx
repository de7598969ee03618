import { Icon } from '../parts/icon.tsx';
import { t } from '../texts.ts';
import { type Conversation, titleOf } from './conversation.ts';

interface ChatListProps {
  readonly chats: readonly Conversation[];
  readonly current: string | undefined;
  readonly open: (id: string) => void;
  readonly remove: (id: string) => void;
  readonly start: () => void;
}

/** The conversations of this browser. */
export function ChatList({ chats, current, open, remove, start }: ChatListProps) {
  return (
    <aside class="chat-list" aria-label={t.chat.chats}>
      <button type="button" class="button" onClick={start}>
        <Icon name="plus" />
        {t.chat.newChat}
      </button>
      <ul>
        {chats.map((chat) => (
          <li key={chat.id} class={chat.id === current ? 'current' : ''}>
            <button
              type="button"
              class="chat-title"
              {...(chat.id === current && { 'aria-current': 'true' })}
              onClick={() => open(chat.id)}
            >
              {titleOf(chat)}
            </button>
            <button
              type="button"
              class="icon-button small"
              aria-label={t.chat.remove(titleOf(chat))}
              onClick={() => remove(chat.id)}
            >
              <Icon name="trash" />
            </button>
          </li>
        ))}
      </ul>
      <p class="hint">{t.chat.noChats}</p>
    </aside>
  );
}
