import { Type } from '../type.ts';
import { flag, host, list, oneOf, path, portSetting, text, url } from './setting-schemas.ts';

const { Optional: optional } = Type;

/** Settings of more than one part of the program: folders, addresses, logs and figures. */
export const networkSettings = {
  DINF_HOME: optional(
    path({
      shownDefault:
        '`.dinf` in the current folder; `~/.dinf` if the program is installed as a package',
      description: 'folder with the keys and data of the network',
    }),
  ),
  DINF_CACHE: optional(
    path({
      shownDefault:
        '`.cache` of the checkout; for an installed package `d-inference` in `$XDG_CACHE_HOME`, `~/.cache` or, on a Mac, `~/Library/Caches`',
      description:
        'folder for downloaded programs (Node, nats-server), and for the native addons of an installed package',
    }),
  ),
  DINF_LOG: optional(
    oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], {
      shownDefault: '`warn` with `up`, otherwise `info`',
      description: 'lowest level of log lines that are written',
    }),
  ),
  DINF_DEBUG: flag({ default: false, description: '`1` prints the stack of a failed command' }),
  DINF_INSECURE: flag({
    default: false,
    description:
      '`1` allows listeners without TLS on addresses that other machines reach, for example behind a proxy; and lets `dinf provider` use a coordinator on another machine without HTTPS',
  }),
  DINF_COORDINATOR: optional(
    url({
      shownDefault: 'the network that runs out of `DINF_HOME`, otherwise `http://127.0.0.1:8080`',
      description: 'URL of the coordinator that commands, proxies and providers use',
    }),
  ),
  DINF_API_KEY: optional(
    text({
      isSecret: true,
      description:
        'API key that `dinf proxy` uses for callers that send none, and that pays for the questions of `dinf chat` and `dinf canary`',
    }),
  ),
  DATABASE_URL: optional(
    text({
      isSecret: true,
      form: 'a URL such as postgres://user@host:5432/dinf',
      description:
        'a Postgres (15 or later); an embedded one if it is not set. `dinf migrate` creates the role `dinf_service`, so the user must be allowed to create roles. Several hosts are separated by commas, as in `postgres://a:5432,b:5432/dinf?target_session_attrs=read-write`: the coordinator uses the one that accepts writes',
    }),
  ),
  DINF_KEYS: optional(
    path({ shownDefault: '`keys` in the home', description: "folder of the network's keys" }),
  ),
  DINF_NATS_URL: list({
    default: ['nats://127.0.0.1:4222'],
    shownDefault:
      'those of the network that was founded in the home, otherwise `nats://127.0.0.1:4222`',
    description:
      'addresses of the hubs for components; if one begins with `tls://`, all connections use TLS',
  }),
  DINF_LEAF_URL: list({
    default: ['nats-leaf://127.0.0.1:7422'],
    shownDefault:
      'those of the network that was founded in the home, otherwise `nats-leaf://127.0.0.1:7422`',
    description:
      'addresses of the hubs as providers reach them. `dinf provider` uses them instead of those that its coordinator names',
  }),
  DINF_HUB_CA: optional(
    path({
      shownDefault: '`hub-ca.pem` in the folder of the keys',
      description: 'certificate of the authority that signs the certificates of the hubs',
    }),
  ),
  DINF_CORE_CREDS: optional(
    path({
      shownDefault: '`core.creds` in the folder of the keys',
      description: 'file with the bus credentials of the components',
    }),
  ),
  DINF_SYS_CREDS: optional(
    path({
      shownDefault: '`sys.creds` in the folder of the keys',
      description: 'file with the credentials with which trust manages the accounts of the hub',
    }),
  ),
  DINF_NATS_SERVER: optional(
    path({ description: 'absolute path of a nats-server, version 2.14 or later' }),
  ),
  DINF_NATS_RELEASES: optional(
    url({
      shownDefault: 'the releases of the nats-server project',
      description: 'where the nats-server archive is downloaded from if no nats-server is found',
    }),
  ),
  DINF_METRICS_PORT: optional(
    portSetting({
      description:
        'port on which this process offers its figures to Prometheus at `/metrics`, without a key ([operating/monitoring.md](operating/monitoring.md)); `0` for any free port. With `dinf up` the process of the simulated providers uses the next port, the provider with a real model the one after it, and further ingresses (`--workers`) those that follow',
    }),
  ),
  DINF_METRICS_HOST: host({
    default: '127.0.0.1',
    description: 'address on which the figures are offered',
  }),
  DINF_OTEL: optional(
    flag({
      description:
        '`1` sends traces and figures to a collector of OpenTelemetry at `http://127.0.0.1:4318`; `0` turns OpenTelemetry off, even if its own variables are set ([operating/monitoring.md](operating/monitoring.md#opentelemetry))',
    }),
  ),
};
