/** Numbers with their labels, side by side. */
export function Counts({ of }: { of: readonly (readonly [label: string, value: string])[] }) {
  return (
    <dl class="card figures figures-four">
      {of.map(([label, value]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd class="figure">{value}</dd>
        </div>
      ))}
    </dl>
  );
}
