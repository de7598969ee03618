// Ends with 0 if the process in this container works. Without an argument it asks the API whether
// it is ready; a container without the ingress gives the URL of its figures for Prometheus.
const port = process.env['DINF_HTTP_PORT'] || '8080';
const url = process.argv[2] ?? `http://127.0.0.1:${port}/readyz`;
const TIMEOUT_MS = 4_000;

try {
  const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!response.ok) throw new Error(`HTTP ${response.status}: ${await response.text()}`);
} catch (error) {
  console.error(`${url}: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}
