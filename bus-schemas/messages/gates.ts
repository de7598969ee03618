interface Gate {
  /**
   * Meaning of the closed gate for the owner of a machine, and whether the owner or time can change
   * it.
   */
  readonly text: string;
  /** Whether time may open the gate, so that a request may wait for the machine. */
  readonly opensByWaiting: boolean;
}

/**
 * Conditions that a slot must meet to serve a request. Routing checks them in this order; the first
 * one that fails is the reason why the slot does not serve.
 */
export const gates = {
  not_wanted: { opensByWaiting: false, text: 'The request names other machines only.' },
  excluded: { opensByWaiting: false, text: 'It has already failed this request.' },
  silent: {
    opensByWaiting: false,
    text: 'No message from it arrived lately. Check that it is awake and connected.',
  },
  flooding: {
    opensByWaiting: false,
    text: 'It sends far more messages about itself than the router reads. It gets requests again when it has sent fewer for a minute. Check its log and its version.',
  },
  draining: {
    opensByWaiting: true,
    text: 'It was drained: it finishes its requests and takes no new ones.',
  },
  memory_pressure: {
    opensByWaiting: true,
    text: 'The memory of its computer is short, because other programs use it. It gets requests again when that ends.',
  },
  thermal_critical: {
    opensByWaiting: true,
    text: 'Its computer reports a critical temperature. It gets requests again when it has cooled down.',
  },
  closed: {
    opensByWaiting: false,
    text: 'A setting of its owner excludes requests at present. "dinf provider status" on the machine shows which one.',
  },
  private_only: { opensByWaiting: false, text: 'It serves only its owner (--private-only).' },
  no_batches: {
    opensByWaiting: false,
    text: 'Its owner excludes lines of batches (--no-batches).',
  },
  paused: {
    opensByWaiting: false,
    text: 'An operator has drained it, or has suspended the account of its owner. It finishes its requests and takes no new ones.',
  },
  suite: {
    opensByWaiting: false,
    text: 'It uses a sealing suite that the coordinator does not support. Update it.',
  },
  slot_failed: {
    opensByWaiting: false,
    text: 'It could not load the model. Its log has the reason.',
  },
  model_too_large: {
    opensByWaiting: false,
    text: 'The model needs more memory than its computer has. Serve a smaller model.',
  },
  free_memory: {
    opensByWaiting: true,
    text: 'The model is not in memory, and its computer reports too little free memory to load it. Close other programs, or serve a smaller model.',
  },
  traits: {
    opensByWaiting: false,
    text: 'It does not offer an ability of this model that the request needs (tools, vision, reasoning). Update it.',
  },
  weights: {
    opensByWaiting: false,
    text: 'Its model files are not the ones that the catalog lists. Download the model again.',
  },
  level: {
    opensByWaiting: false,
    text: 'Its trust level is lower than the request requires (provider.trust_level).',
  },
  minimum_trust: {
    opensByWaiting: false,
    text: 'Its trust level is lower than this network requires for paid requests (DINF_MIN_TRUST). Its owner can use it.',
  },
  price: {
    opensByWaiting: false,
    text: 'Its price is higher than the listed one. It gets requests only from callers who accept its price (provider.max_price).',
  },
  context: {
    opensByWaiting: false,
    text: 'The request is longer than the context length that it offers.',
  },
  probation: {
    opensByWaiting: true,
    text: "It is new: it gets 1 of 20 requests until it passes the operator's canaries. Its owner can use it without limit.",
  },
  slow: {
    opensByWaiting: false,
    text: 'Its answer to this request would begin too late even if it had no other request.',
  },
  breaker: {
    opensByWaiting: true,
    text: 'It failed several requests in a short time. After a pause it is tried automatically, with one request first.',
  },
  cooling: {
    opensByWaiting: true,
    text: 'It refused a request although it had reported free capacity. It gets requests again after a short pause.',
  },
  busy: { opensByWaiting: true, text: 'It has as many requests as it can serve at once.' },
  tokens: {
    opensByWaiting: true,
    text: 'It has too little memory left for a request of this length.',
  },
  crowded: {
    opensByWaiting: true,
    text: 'Each of its answers would become slower than the network wants (DINF_MIN_STREAM_TPS), so other machines are preferred.',
  },
  /** A limit of the account, not of the slot: the router checks it after the choice. */
  unordered: {
    opensByWaiting: true,
    text: 'The account holds its share of the slots of this model for sealed sessions that it has not ordered yet. A slot becomes free when it orders, or when a session ends.',
  },
} as const satisfies Record<string, Gate>;
export type GateName = keyof typeof gates;
