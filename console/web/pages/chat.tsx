import { useEffect, useRef, useState } from 'preact/hooks';
import { ask, withCost } from '../chat/ask.ts';
import { canSeal } from '../chat/can-seal.ts';
import { ChatList } from '../chat/chat-list.tsx';
import { Composer } from '../chat/composer.tsx';
import { type ChatMessage, type Conversation, withConversation } from '../chat/conversation.ts';
import { storeChats, storedChats } from '../chat/history.ts';
import { MessageView } from '../chat/message-view.tsx';
import { SealNote } from '../chat/seal-note.tsx';
import { Field } from '../parts/field.tsx';
import { Loaded } from '../parts/loaded.tsx';
import { type OfferedModel, useModels, writesAnswers } from '../state/answers.ts';
import { t } from '../texts.ts';

export function ChatPage({ account }: { account: string }) {
  const models = useModels();
  return (
    <>
      <h1 class="visually-hidden">{t.chat.title}</h1>
      <Loaded of={models} lines={8}>
        {(offered) => <Chat account={account} offered={offered.filter(writesAnswers)} />}
      </Loaded>
    </>
  );
}

const newChat = (model: string): Conversation => ({
  id: crypto.randomUUID(),
  model,
  at: Date.now(),
  messages: [],
});

interface ChatProps {
  readonly account: string;
  readonly offered: readonly OfferedModel[];
}

function Chat({ account, offered }: ChatProps) {
  const able = offered.filter(({ capacity }) => (capacity?.routable_providers ?? 0) > 0);
  const [chats, setChats] = useState(() => storedChats(account));
  const [current, setCurrent] = useState(() => newChat(firstModel(able)));
  const [running, setRunning] = useState<AbortController>();
  useEffect(() => () => running?.abort(), [running]);
  const [isSealed, setSealed] = useState<boolean>();
  useEffect(() => void canSeal().then(setSealed), []);
  const model = current.model || firstModel(able);
  const keep = (chat: Conversation) =>
    setChats((before) => {
      const after = withConversation(before, chat);
      storeChats(account, after);
      return after;
    });
  const replaceMessage = (old: ChatMessage, changed: ChatMessage) => {
    const replaced = (chat: Conversation): Conversation => ({
      ...chat,
      messages: chat.messages.map((message) => (message === old ? changed : message)),
    });
    setCurrent(replaced);
    setChats((before) => {
      const after = before.map(replaced);
      storeChats(account, after);
      return after;
    });
  };
  const sendQuestion = async (text: string) => {
    if (isSealed === undefined) return;
    const stopper = new AbortController();
    setRunning(stopper);
    const messages: ChatMessage[] = [...current.messages, { role: 'user', text }];
    const asked: Conversation = { ...current, model, at: Date.now(), messages };
    keep(asked);
    const withAnswer = (answer: ChatMessage) => ({ ...asked, messages: [...messages, answer] });
    const show = (answer: ChatMessage) =>
      setCurrent((shown) => (shown.id === asked.id ? withAnswer(answer) : shown));
    try {
      const { signal } = stopper;
      const conversation = asked.id;
      const answer = await ask({ model, messages, conversation, isSealed, signal, show });
      keep(withAnswer(answer));
      setRunning(undefined);
      const priced = await withCost(answer);
      if (priced !== answer) replaceMessage(answer, priced);
    } finally {
      setRunning((current) => (current === stopper ? undefined : current));
    }
  };
  const open = (chat: Conversation) => {
    running?.abort();
    setCurrent(chat);
  };
  const remove = (id: string) => {
    const rest = chats.filter((chat) => chat.id !== id);
    setChats(rest);
    storeChats(account, rest);
    if (id === current.id) open(newChat(model));
  };
  return (
    <div class="chat">
      <ChatList
        chats={chats}
        current={current.id}
        open={(id) => open(chats.find((chat) => chat.id === id) ?? current)}
        remove={remove}
        start={() => open(newChat(model))}
      />
      <section class="chat-main">
        <header class="chat-head">
          <ModelChoice
            able={able}
            model={model}
            choose={(chosen) => setCurrent({ ...current, model: chosen })}
          />
          {isSealed !== undefined && <SealNote isSealed={isSealed} messages={current.messages} />}
        </header>
        <Messages messages={current.messages} isServed={able.length > 0} />
        <Composer
          key={current.id}
          isRunning={running !== undefined}
          canSend={able.length > 0 && isSealed !== undefined}
          send={(text) => void sendQuestion(text)}
          stop={() => running?.abort()}
        />
      </section>
    </div>
  );
}

/** The model in the address, if a machine serves it, or the first one that is served. */
function firstModel(able: readonly OfferedModel[]): string {
  const wanted = new URLSearchParams(location.search).get('model');
  const found = able.find(({ model }) => model.id === wanted) ?? able[0];
  return found?.model.id ?? '';
}

interface ModelChoiceProps {
  readonly able: readonly OfferedModel[];
  readonly model: string;
  readonly choose: (model: string) => void;
}

function ModelChoice({ able, model, choose }: ModelChoiceProps) {
  const names = able.map(({ model: { id, display_name: name } }) => ({ id, name }));
  // The model of an old chat may not be served any more.
  const isKnown = model === '' || names.some(({ id }) => id === model);
  const options = isKnown ? names : [{ id: model, name: model }, ...names];
  return (
    <Field label={t.chat.model}>
      {(attributes) => (
        <select
          {...attributes}
          value={model}
          onChange={({ currentTarget }) => choose(currentTarget.value)}
        >
          {options.map(({ id, name }) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

interface MessagesProps {
  readonly messages: readonly ChatMessage[];
  readonly isServed: boolean;
}

/** Distance from the end, in pixels, within which the view follows a growing answer. */
const NEAR_END = 120;

function Messages({ messages, isServed }: MessagesProps) {
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const { current: element } = list;
    if (element === null) return;
    const isNearEnd = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_END;
    const isNewQuestion = messages.at(-1)?.role === 'user' || isFresh(messages.at(-1));
    if (isNearEnd || isNewQuestion) element.scrollTop = element.scrollHeight;
  }, [messages]);
  if (messages.length === 0)
    return (
      <div class="messages">
        <div class="empty">
          <p class="strong">{isServed ? t.chat.emptyTitle : t.chat.noModels}</p>
          {!isServed && <p>{t.chat.noModelsText}</p>}
        </div>
      </div>
    );
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: the list is scrolled by keyboard
    <div class="messages" ref={list} tabIndex={0} role="log" aria-label={t.chat.title}>
      {messages.map((message, index) => (
        <MessageView key={index} message={message} />
      ))}
    </div>
  );
}

const isFresh = (message: ChatMessage | undefined): boolean =>
  message?.role === 'assistant' && message.text === '' && message.reasoning === '';
