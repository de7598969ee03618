import type { ComponentChildren } from 'preact';

interface FactListProps {
  /** Each fact's name, which is unique in the list, and its value. */
  readonly facts: readonly (readonly [string, ComponentChildren])[];
}

/** Names and values, one below the other. */
export function FactList({ facts }: FactListProps) {
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
