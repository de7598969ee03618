// A Ctrl-C in a terminal arrives more than once: from the terminal, and again from npm, which
// forwards it. So a signal that repeats within a second is ignored. A later one ends the process at
// once, and so does a signal that no command listens to.
const SAME_WISH_MS = 1_000;
const stopping = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export function ownSignals(): void {
  for (const signal of stopping) {
    let first: number | undefined;
    const onSignal = () => {
      const now = performance.now();
      const listened = process.listenerCount(signal) > 1;
      if (first === undefined && listened) first = now;
      else if (first === undefined || now - first > SAME_WISH_MS) endBy(signal);
    };
    process.prependListener(signal, onSignal);
  }
}

function endBy(signal: NodeJS.Signals): void {
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}
