/** Whether a subject of NATS matches a pattern with the wildcards `*` and `>`. */
export function matches(pattern: string, subject: string): boolean {
  if (pattern === subject) return true;
  // Most subjects differ from a pattern before its first wildcard, where nothing has to be taken apart.
  let place = 0;
  while (place < pattern.length && pattern[place] === subject[place]) place += 1;
  if (pattern[place] !== '*' && pattern[place] !== '>') return false;
  const wanted = pattern.split('.');
  const given = subject.split('.');
  for (const [index, token] of wanted.entries()) {
    if (token === '>') return given.length > index;
    if (index >= given.length || (token !== '*' && token !== given[index])) return false;
  }
  return wanted.length === given.length;
}
