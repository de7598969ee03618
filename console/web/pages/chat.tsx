import { useEffect, useRef, useState } from 'preact/hooks';
import { ask, withCost } from '../chat/ask.ts';
import { canSeal } from '../chat/can-seal.ts';
import { ChatList } from '../chat/chat-list.tsx';
import { Composer } from '../chat/composer.tsx';
import {
  type ChatMessage,
  type Conversation,
  openCalls,
  type ToolResult,
  withConversation,
} from '../chat/conversation.ts';
import { storeChats, storedChats } from '../chat/history.ts';
import { MessageView } from '../chat/message-view.tsx';
import { SealNote } from '../chat/seal-note.tsx';
import { toolsIn } from '../chat/tools.ts';
import { ToolsDialog } from '../chat/tools-dialog.tsx';
import { Field } from '../parts/field.tsx';
import { Icon } from '../parts/icon.tsx';
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
  const features = offered.find((each) => each.model.id === model)?.model.features ?? [];
  const waiting = running === undefined && openCalls(current.messages).length > 0;
  const sendMessages = async (added: readonly ChatMessage[]) => {
    if (isSealed === undefined) return;
    const stopper = new AbortController();
    setRunning(stopper);
    const messages: ChatMessage[] = [...current.messages, ...added];
    const tools = features.includes('tools') ? (toolsIn(current.tools ?? '') ?? []) : [];
    const asked: Conversation = { ...current, model, at: Date.now(), messages };
    keep(asked);
    setCurrent((shown) => (shown.id === asked.id ? asked : shown));
    // The cost of an earlier answer may arrive while this one is written, so the messages before it
    // are those of the moment.
    const withAnswer = (chat: Conversation, answer: ChatMessage): Conversation => ({
      ...chat,
      messages: [...chat.messages.slice(0, messages.length), answer],
    });
    const show = (answer: ChatMessage) =>
      setCurrent((shown) => (shown.id === asked.id ? withAnswer(shown, answer) : shown));
    try {
      const { signal } = stopper;
      const conversation = asked.id;
      const answer = await ask({ model, messages, tools, conversation, isSealed, signal, show });
      setChats((before) => {
        const stored = before.find(({ id }) => id === asked.id) ?? asked;
        const after = withConversation(before, withAnswer(stored, answer));
        storeChats(account, after);
        return after;
      });
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
          {features.includes('tools') && (
            <ToolsButton
              text={current.tools ?? ''}
              save={(tools) => setCurrent({ ...current, tools })}
            />
          )}
          {isSealed !== undefined && <SealNote isSealed={isSealed} messages={current.messages} />}
        </header>
        <Messages
          messages={current.messages}
          isServed={able.length > 0}
          answerCalls={waiting ? (results) => void sendMessages(results) : undefined}
        />
        <Composer
          key={current.id}
          isRunning={running !== undefined}
          canSend={able.length > 0 && isSealed !== undefined}
          takesImages={features.includes('vision')}
          send={({ text, images }) =>
            void sendMessages([{ role: 'user', text, ...(images.length > 0 && { images }) }])
          }
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

/** Opens the list of functions; it shows how many there are. */
function ToolsButton({ text, save }: { text: string; save: (text: string) => void }) {
  const [isOpen, setOpen] = useState(false);
  const count = toolsIn(text)?.length ?? 0;
  return (
    <>
      <button type="button" class="button small" onClick={() => setOpen(true)}>
        <Icon name="tool" />
        {count === 0 ? t.chat.addTools : t.chat.toolCount(count)}
      </button>
      {isOpen && (
        <ToolsDialog
          text={text}
          save={(tools) => {
            save(tools);
            setOpen(false);
          }}
          close={() => setOpen(false)}
        />
      )}
    </>
  );
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
  /** Sends the results of the last answer's calls, if it waits for them. */
  readonly answerCalls: ((results: readonly ToolResult[]) => void) | undefined;
}

/** Distance from the end, in pixels, within which the view follows a growing answer. */
const NEAR_END = 120;

function Messages({ messages, isServed, answerCalls }: MessagesProps) {
  const results = messages.filter((message) => message.role === 'tool');
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
        <MessageView
          key={index}
          message={message}
          results={results}
          answerCalls={index === messages.length - 1 ? answerCalls : undefined}
        />
      ))}
    </div>
  );
}

const isFresh = (message: ChatMessage | undefined): boolean =>
  message?.role === 'assistant' && message.text === '' && message.reasoning === '';
