const DATA = 'data: ';

/**
 * Reads an event stream that arrives in parts: each call returns the data of the lines that are
 * complete. A line counts when it has arrived, also if the connection breaks before its event ends.
 */
export function eventDataReader(): (part: string) => string[] {
  let rest = '';
  return (part) => {
    const lines = (rest + part).split('\n');
    rest = lines.pop() ?? '';
    return lines.filter((line) => line.startsWith(DATA)).map((line) => line.slice(DATA.length));
  };
}
