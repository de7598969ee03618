import { useState } from 'preact/hooks';
import { t } from '../texts.ts';
import type { ToolCall, ToolResult } from './conversation.ts';

interface ToolCallsProps {
  readonly calls: readonly ToolCall[];
  readonly results: readonly ToolResult[];
  /** Sends the results that the person typed; undefined while they cannot be sent. */
  readonly answer: ((results: readonly ToolResult[]) => void) | undefined;
}

/** The functions that the model wants to call, with their arguments and what they returned. */
export function ToolCalls({ calls, results, answer }: ToolCallsProps) {
  const [typed, setTyped] = useState<Readonly<Record<string, string>>>({});
  return (
    <form
      class="tool-calls"
      onSubmit={(event) => {
        event.preventDefault();
        answer?.(calls.map(({ id }) => ({ role: 'tool', callId: id, text: typed[id] ?? '' })));
      }}
    >
      {calls.map(({ id, name, text }) => {
        const result = results.find(({ callId }) => callId === id);
        return (
          <section key={id} class="tool-call">
            <h3>{t.chat.calls(name)}</h3>
            {/* biome-ignore lint/a11y/noNoninteractiveTabindex: long lines are scrolled by keyboard */}
            <pre tabIndex={0}>{pretty(text)}</pre>
            {result !== undefined && (
              <>
                <h4>{t.chat.result}</h4>
                {/* biome-ignore lint/a11y/noNoninteractiveTabindex: long lines are scrolled by keyboard */}
                <pre tabIndex={0}>{result.text}</pre>
              </>
            )}
            {result === undefined && answer !== undefined && (
              <label>
                {t.chat.resultOf(name)}
                <textarea
                  rows={2}
                  value={typed[id] ?? ''}
                  onInput={({ currentTarget: { value } }) => setTyped({ ...typed, [id]: value })}
                />
              </label>
            )}
          </section>
        );
      })}
      {answer !== undefined && (
        <>
          <p class="hint">{t.chat.resultHint}</p>
          <button type="submit" class="button">
            {t.chat.sendResults(calls.length)}
          </button>
        </>
      )}
    </form>
  );
}

/** The arguments with line breaks; unchanged if the model wrote no JSON. */
function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), undefined, 2);
  } catch {
    // The model wrote arguments that are no JSON: the person sees them as they are.
    return text;
  }
}
