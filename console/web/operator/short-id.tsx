/** Characters of a machine's id that distinguish it in practice. */
const SHOWN = 12;

/** The beginning of a long id; its title has all of it. */
export const ShortId = ({ id }: { id: string }) => (
  <code title={id}>{id.length > SHOWN + 1 ? `${id.slice(0, SHOWN)}…` : id}</code>
);
