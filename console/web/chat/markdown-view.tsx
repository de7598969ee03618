import { CopyButton } from '../parts/copy-button.tsx';
import { type Block, type Inline, parseMarkdown } from './markdown.ts';

/** The text of an answer, with its paragraphs, lists and code. */
export function Markdown({ text }: { text: string }) {
  return (
    <div class="markdown">
      {parseMarkdown(text).map((block, index) => (
        <BlockView key={index} block={block} />
      ))}
    </div>
  );
}

function BlockView({ block }: { block: Block }) {
  switch (block.kind) {
    case 'paragraph':
      return (
        <p>
          <Inlines content={block.content} />
        </p>
      );
    case 'heading':
      return (
        <p class="strong">
          <Inlines content={block.content} />
        </p>
      );
    case 'list': {
      const items = block.items.map((item, index) => (
        <li key={index}>
          <Inlines content={item} />
        </li>
      ));
      return block.ordered ? <ol>{items}</ol> : <ul>{items}</ul>;
    }
    case 'code':
      return (
        <figure class="code">
          <figcaption>
            {block.language}
            <CopyButton text={block.text} />
          </figcaption>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: long lines are scrolled by keyboard */}
          <pre tabIndex={0}>
            <code>{block.text}</code>
          </pre>
        </figure>
      );
  }
}

const Inlines = ({ content }: { content: readonly Inline[] }) =>
  content.map((part, index) => <InlineView key={index} part={part} />);

function InlineView({ part: { kind, text } }: { part: Inline }) {
  switch (kind) {
    case 'text':
      return <>{text}</>;
    case 'strong':
      return <strong>{text}</strong>;
    case 'emphasis':
      return <em>{text}</em>;
    case 'code':
      return <code>{text}</code>;
  }
}
