import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isMainThread } from 'node:worker_threads';

/**
 * Loaded with `node --import`: measures the longest turn of the event loop, in processor time of the
 * main thread. Time in which other programs had the processor does not count, so the figure is the
 * same on a busy machine. `GET` returns the figure since the last `GET`, in milliseconds.
 */
if (isMainThread) {
  const usedMs = () => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1_000;
  };
  let before = usedMs();
  let longest = 0;
  setInterval(() => {
    const now = usedMs();
    longest = Math.max(longest, now - before);
    before = now;
  }, 1).unref();
  const server = createServer((_request, response) => {
    response.end(JSON.stringify({ longestMs: longest }));
    longest = 0;
  });
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo;
    console.log(JSON.stringify({ turnMeter: `http://127.0.0.1:${port}` }));
  });
  server.unref();
}
