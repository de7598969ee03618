/** Resolves at the first SIGINT or SIGTERM: Ctrl-C, or a stop by the service manager. */
export function stopSignal(): Promise<void> {
  return new Promise((stop) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop());
  });
}
