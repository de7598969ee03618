import { Type } from '#bus-schemas/type.ts';
import { chatFields } from '../chat-schema.ts';
import {
  Messages,
  MessagesFormat,
  MessagesToolChoice,
  MessagesTools,
  StopSequences,
  System,
} from './messages-schemas.ts';
import {
  ignored,
  type ParameterTable,
  supported,
  supportedFields,
  unsupported,
} from './parameter.ts';
import { NEVER_SHORTENED, openRouter, SAME_PRIORITY, sampling } from './shared-parameters.ts';

const optional = Type.Optional;
const any = Type.Unknown();
const NO_WORKSPACES = ignored('The network has accounts instead of workspaces and profiles.');

/** `POST /v1/messages` of Anthropic and OpenRouter. */
export const messagesParameters: ParameterTable = {
  ...supportedFields({
    model: chatFields.model,
    messages: Messages,
    max_tokens: Type.Integer({ minimum: 1 }),
    system: optional(System),
    stream: chatFields.stream,
    stop_sequences: optional(StopSequences),
    tools: optional(MessagesTools),
    tool_choice: optional(MessagesToolChoice),
    output_format: optional(MessagesFormat),
  }),
  ...sampling,
  thinking: supported(optional(any), {
    type: supported(Type.Enum(['enabled', 'adaptive', 'disabled'])),
    budget_tokens: ignored('The model decides how long it thinks.'),
    display: supported(optional(Type.String())),
  }),
  output_config: supported(optional(any), {
    effort: supported(optional(Type.Enum(['low', 'medium', 'high', 'xhigh', 'max']))),
    format: supported(optional(MessagesFormat)),
    task_budget: ignored('The models have no such setting.'),
  }),
  ...openRouter,
  service_tier: SAME_PRIORITY,
  speed: SAME_PRIORITY,
  metadata: ignored('Requests are attributed to the API key.'),
  user: ignored('Requests are attributed to the API key.'),
  thread: {
    use: 'refused',
    reason: 'This API stores no conversations. Send all messages.',
    neutral: [],
    // Anthropic's clients recognise the code, and send the whole conversation instead.
    details: { error_code: 'thread_unsupported_request', unsupported: ['thread'] },
  },
  context_management: ignored(NEVER_SHORTENED),
  compaction: ignored(NEVER_SHORTENED),
  container: unsupported('The network runs no containers.'),
  mcp_servers: unsupported(
    'The network connects to no MCP servers. Offer their tools yourself.',
    [],
  ),
  fallbacks: unsupported('Use models.', []),
  fallback_credit_token: unsupported('The network has no such credits.'),
  billing_policy: unsupported('Every request is paid from the balance of its account.'),
  inference_geo: unsupported('The place of machines cannot be chosen.', 'global', 'not_available'),
  betas: ignored('Features do not have to be enabled. SDKs send it as a header.'),
  diagnostics: ignored('Answers have no diagnostics.'),
  user_profile_id: NO_WORKSPACES,
  workspace_id: NO_WORKSPACES,
};
