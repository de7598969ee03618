import type { GateName } from './demand.ts';

/**
 * For each gate: its meaning for the owner of a machine, and whether the owner or time can change
 * it.
 */
export const gateTexts: Readonly<Record<GateName, string>> = {
  not_wanted: 'The request names other machines only.',
  excluded: 'It has already failed this request.',
  silent: 'No message from it arrived lately. Check that it is awake and connected.',
  flooding:
    'It sends far more messages about itself than the router reads. It gets requests again when it has sent fewer for a minute. Check its log and its version.',
  draining: 'It was drained: it finishes its requests and takes no new ones.',
  paused:
    'An operator has drained it, or has suspended the account of its owner. It finishes its requests and takes no new ones.',
  suite: 'It uses a sealing suite that the coordinator does not support. Update it.',
  slot_failed: 'It could not load the model. Its log has the reason.',
  traits:
    'It does not offer an ability of this model that the request needs (tools, vision, reasoning). Update it.',
  weights: 'Its model files are not the ones that the catalog lists. Download the model again.',
  level: 'Its trust level is lower than the request requires (provider.trust_level).',
  minimum_trust:
    'Its trust level is lower than this network requires for paid requests (DINF_MIN_TRUST). Its owner can use it.',
  price:
    'Its price is higher than the listed one. It gets requests only from callers who accept its price (provider.max_price).',
  context: 'The request is longer than the context length that it offers.',
  probation:
    "It is new: it gets 1 of 20 requests until it passes the operator's canaries. Its owner can use it without limit.",
  slow: 'Its answer to this request would begin too late even if it had no other request.',
  breaker:
    'It failed several requests in a short time. After a pause it is tried automatically, with one request first.',
  cooling:
    'It refused a request although it had reported free capacity. It gets requests again after a short pause.',
  busy: 'It has as many requests as it can serve at once.',
  unordered:
    'The account holds its share of the slots of this model for sealed sessions that it has not ordered yet. A slot becomes free when it orders, or when a session ends.',
  tokens: 'It has too little memory left for a request of this length.',
};
