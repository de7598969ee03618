/**
 * Blocks and lines of the documentation that are not run, by file and first line, each with its
 * reason.
 */
export const NOT_RUN: Readonly<Record<string, string>> = {
  'README.md: npm start': 'starts a network of its own (e2e/up.test.ts)',
  'README.md: npm start -- --model smollm2':
    'starts a network of its own (e2e/smollm2/smollm2.test.ts)',
  'docs/providers/models.md: npm start -- --model smollm2':
    'starts a network of its own (e2e/smollm2/smollm2.test.ts)',
  'README.md: npm test': 'runs all tests, this one too',
  "README.md: OpenAI SDK                    operator's tools": 'a drawing',
  'CONTRIBUTING.md: npm test': 'runs all tests, this one too',
  'CONTRIBUTING.md: npm test -- e2e/money.test.ts': 'runs a test that runs anyway',
  'docs/operating/install.md: npm run package': 'e2e/installed-package.test.ts builds the package',
  'docs/operating/install.md: npm install --global --ignore-scripts dist/d-inference-*.tgz':
    'e2e/installed-package.test.ts installs the package',
  'docs/operating/install.md: npm run package && cp dist/d-inference-*.tgz packaging/containers/d-inference.tgz':
    'needs a container engine (packaging/containers/containers.test.ts)',
  'docs/operating/several-machines.md: dinf coordinator --components ingress --workers 4':
    'runs until it is stopped (e2e/workers.test.ts)',
  'docs/operating/install.md: dinf release hash':
    'changes the releases of a network (e2e/operator-tools.test.ts)',
  'docs/operating/install.md: kubectl apply -f .dinf/helm/secrets.yaml':
    'needs a cluster (e2e/artefacts/chart.test.ts)',
  'docs/operating/install.md: cp packaging/systemd/*.service /etc/systemd/system/':
    'needs systemd (e2e/artefacts/systemd.test.ts)',
  'CONTRIBUTING.md: npm run bench': 'measures for minutes (cli/test.ts runs its small size)',
  'CONTRIBUTING.md: npm run generated-clients': 'generates and compiles clients for minutes',
  'CONTRIBUTING.md: npm run open-responses': 'clones a repository',
  'CONTRIBUTING.md: npm run large-clients': 'installs gigabytes of clients',
  'CONTRIBUTING.md: npm run histories':
    'runs for many minutes; the tests try fewer histories (coordinator/settlement)',
  'CONTRIBUTING.md: npm run scenarios':
    'replays for minutes; the tests replay most of them (simulator/replay/replay.test.ts)',
  'CONTRIBUTING.md: npm run looks':
    'runs for minutes; the tests show half of it (e2e/console/screenshots.test.ts)',
  'CONTRIBUTING.md: npm run worlds': 'runs for an hour (e2e/world/world.test.ts)',
  'docs/worlds.md: npm run worlds': 'runs for an hour (e2e/world/world.test.ts)',
  ...Object.fromEntries(
    ['CONTRIBUTING.md', 'docs/chaos.md'].flatMap((page) => [
      [
        `${page}: npm run chaos -- --minutes 30 --seed 1`,
        'breaks a network for half an hour; the test does it for some seconds (e2e/chaos/chaos.test.ts)',
      ],
      [
        `${page}: npm run soak -- --hours 4`,
        'measures for hours; the test does it for some seconds (e2e/soak/soak.test.ts)',
      ],
    ]),
  ),
  'CONTRIBUTING.md: npm run killed-ingress':
    'kills for half an hour; the test itself kills once (e2e/chaos/killed-ingress.test.ts)',
  'CONTRIBUTING.md: npm run engine-soak':
    'runs for more than two hours; the tests send fewer requests (e2e/engine-soak)',
  'CONTRIBUTING.md: npm run incidents':
    'waits for more than an hour; the tests wait for 15 s (e2e/incidents/machine-incidents.test.ts)',
  'CONTRIBUTING.md: npm run held-prefixes':
    'needs a computer without other work (coordinator/routing/core/prefix-claims.test.ts)',
  'CONTRIBUTING.md: npm run first-answer':
    'installs and compiles the program for minutes (e2e/first-paid-answer.test.ts)',
  'CONTRIBUTING.md: npm run schemathesis': 'sends generated requests for several minutes',
  'CONTRIBUTING.md: npm run smollm2': 'runs for many minutes; the tests run a part of it',
  'CONTRIBUTING.md: npm run fixtures': 'runs for several minutes; the tests run a part of it',
  'CONTRIBUTING.md: npm run fuzz': 'runs for ten minutes; the tests run it for seconds',
  'CONTRIBUTING.md: DINF_WRITE_API=1 npm test -- api-document commands-page dashboards decisions-index metrics-page troubleshooting-page':
    'writes documents',
  'CONTRIBUTING.md: DINF_WRITE_SCREENSHOTS=1 npm test -- e2e/console/screenshots':
    'writes pictures',
  ...Object.fromEntries(
    [
      'export ANTHROPIC_BASE_URL=http://127.0.0.1:8080',
      'export ANTHROPIC_API_KEY=sk-db-…',
      'claude --model sim',
    ].map((line) => [`docs/clients/claude-code.md: ${line}`, 'needs Claude Code']),
  ),
  'docs/clients/codex.md: export DINF_API_KEY=sk-db-…': 'needs Codex CLI',
  'docs/clients/codex.md: codex exec "Read the file README.md."':
    'needs Codex CLI (e2e/clients/codex.test.ts)',
  'docs/clients/codex.md: model = "sim"': 'settings of Codex CLI (e2e/clients/codex.test.ts)',
  'docs/clients/opencode.md: export DINF_API_KEY=sk-db-…': 'needs OpenCode',
  'docs/clients/opencode.md: opencode run --model dinf/sim "Read the file README.md."':
    'needs OpenCode (e2e/clients/opencode.test.ts)',
  'docs/clients/opencode.md: {': 'settings of OpenCode (e2e/clients/opencode.test.ts)',
  'docs/clients/litellm.md: import litellm': 'Python (e2e/clients/large/litellm.test.ts)',
  'docs/clients/litellm.md: model_list:':
    "settings of LiteLLM's proxy (e2e/clients/large/litellm-proxy.test.ts)",
  ...Object.fromEntries(
    [
      'export OPENAI_API_BASE=http://127.0.0.1:8080/v1',
      'export OPENAI_API_KEY=sk-db-…',
      'aider --model openai/sim',
    ].map((line) => [`docs/clients/aider.md: ${line}`, 'needs aider']),
  ),
  ...Object.fromEntries(
    [
      'export OPENAI_API_BASE_URL=http://127.0.0.1:8080/v1',
      'export OPENAI_API_KEY=sk-db-…',
      'export ENABLE_OLLAMA_API=False',
      'open-webui serve --host 127.0.0.1 --port 3000',
    ].map((line) => [`docs/clients/open-webui.md: ${line}`, 'needs Open WebUI']),
  ),
  'docs/clients/librechat.md: version: 1.3.17':
    'settings of LibreChat (e2e/clients/large/librechat.test.ts)',
  'docs/clients/pydantic-ai.md: from pydantic_ai import Agent':
    'Python (e2e/clients/large/pydantic-ai.test.ts)',
  'docs/clients/ollama.md: from ollama import Client': 'Python (e2e/clients/ollama.test.ts)',
  'docs/providers/getting-started.md: curl -fsSL https://api.example.com/install.sh | sh':
    'e2e/installed-package.test.ts runs it',
  'docs/providers/getting-started.md: $ curl -fsSL http://127.0.0.1:8080/install.sh | sh':
    'a capture of a terminal',
  'docs/providers/getting-started.md: Ready: the last request ended 4 min ago.':
    'an example of what is printed',
  'docs/providers/updates.md: updates    newer versions are shown here, from the channel stable':
    'an example of what is printed',
  'docs/providers/models.md: wanted     Qwen3-4B-8bit is now the preferred build of qwen3-4b, of which this machine has the one before. "dinf provider accept Qwen3-4B-8bit" downloads, checks and serves it.':
    'an example of what is printed',
  'docs/providers/models.md: 1  mlx-community/gemma-3-12b-it-4bit, needs 16 GiB of memory, is downloaded first, wanted by the network on more machines, 90 requests in 24 h, 1 machine, what it earns is not known: fewer than three owners earned from it last week':
    'the list of models to choose from (e2e/choose-models.test.ts)',
  'docs/providers/models.md: dinf-tiny-4bit with the engine cpu; speeds are in tokens per second.':
    'an example of what is printed',
  'docs/calling.md: {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "sim", "messages": [{"role": "user", "content": "Hi"}]}}':
    'a line of a file (e2e/api/batches.test.ts)',
  'docs/calling.md: cat notes.txt | npx dinf chat tiny --system "Summarise this."':
    'needs a key (e2e/sealed/customer-commands.test.ts)',
  'docs/operating/nats-tools.md: nats context save dinf --server nats://127.0.0.1:4222 --creds .dinf/keys/ops.creds --select':
    'needs the nats command; e2e/monitoring/nats-tools.test.ts sends its requests',
  'docs/operating/upgrade.md: defaults':
    'e2e/upgrade/rolling-upgrade.test.ts starts HAProxy with it',
  ...Object.fromEntries(
    [
      'cd ledger-archive && sha256sum -c ledger-2025-09.jsonl.gz.sha256',
      'zcat ledger-2025-09.jsonl.gz | head -n 1',
    ].map((line) => [
      `docs/operating/postgres.md: ${line}`,
      'needs an archive; coordinator/settlement/archive/archive.test.ts reads one',
    ]),
  ),
  ...Object.fromEntries(
    [
      '[global]',
      'wal_level = replica',
      'pgbackrest --stanza=dinf stanza-create',
      'pgbackrest --stanza=dinf check',
      'pgbackrest --stanza=dinf --type=full backup',
      '30 3 * * 0    postgres  pgbackrest --stanza=dinf --type=full backup',
      'pgbackrest --stanza=dinf --type=time --target="2026-11-27 09:41:30+00" --target-action=promote restore',
      "restore_command = 'cp /archive/%f %p'",
      'facts after the marker in the database were read again {"stream":"JOBS","consumer":"settlement","from":24,"until":37,"facts":13}',
      'npm test -- e2e/chaos/restore-drill.test.ts',
    ].map((line) => [
      `docs/operating/backup-and-restore.md: ${line}`,
      'needs pgBackRest and a server of its own; e2e/chaos/restore-drill.test.ts does the same without the tool',
    ]),
  ),
  ...Object.fromEntries(
    [
      'disk for tables = jobs a day × (1,224 bytes × 30 × (online months + 1) + 557 bytes × 90)',
      'max_connections ≥ 8 × processes + 3 (commands) + 4 (backup and standby) + 3 (superuser_reserved_connections)',
      'days of facts = min(14, 1.4 million ÷ jobs a day)',
      'hub    = 200 MB + 1.5 MB × machines',
    ].map((line) => [`docs/operating/capacity-planning.md: ${line}`, 'a formula']),
  ),
  'docs/ARCHITECTURE.md: bus-schemas/     messages and their codec, subjects, sealing, receipts, accounts and permissions, streams':
    'a list of folders',
};
