import { groupedDigits } from '../format/numbers.ts';
import { At } from './figures.tsx';

interface LogHeadFactsProps {
  readonly labels: { readonly entries: string; readonly signed: string };
  readonly entries: number;
  readonly at: string | number;
  /** Hashes, keys and signatures with their labels. */
  readonly digests: readonly (readonly [label: string, value: string])[];
}

/** What a signed head of the transparency log states. */
export function LogHeadFacts({ labels, entries, at, digests }: LogHeadFactsProps) {
  return (
    <dl class="facts card">
      <div>
        <dt>{labels.entries}</dt>
        <dd class="number">{groupedDigits(entries)}</dd>
      </div>
      <div>
        <dt>{labels.signed}</dt>
        <dd>
          <At time={at} />
        </dd>
      </div>
      {digests.map(([label, value]) => (
        <div key={label} class="whole-line">
          <dt>{label}</dt>
          <dd>
            <code>{value}</code>
          </dd>
        </div>
      ))}
    </dl>
  );
}
