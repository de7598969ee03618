import { randomToken } from '#bus-schemas';
import { type Form, field, strings } from './form-body.ts';
import { invalidRequest, missing } from './stripe-error.ts';

/**
 * The objects of Stripe that the coordinator uses, and the rules that keep their balances
 * consistent. All amounts are in cents.
 */

type Metadata = Record<string, string>;

export interface Session {
  id: string;
  object: 'checkout.session';
  amount_total: number;
  currency: string;
  client_reference_id: string;
  metadata: Metadata;
  payment_intent: string | null;
  payment_status: 'unpaid' | 'paid';
  status: 'open' | 'complete' | 'expired';
  url: string;
}

export interface Dispute {
  id: string;
  object: 'dispute';
  amount: number;
  charge: string;
  currency: string;
  is_charge_refundable: boolean;
  payment_intent: string;
  reason: string;
  status: 'warning_needs_response' | 'warning_closed' | 'needs_response' | 'won' | 'lost';
}

interface Charge {
  readonly id: string;
  readonly object: 'charge';
  readonly amount: number;
  /** The sum of all refunds of the charge. */
  readonly amount_refunded: number;
  readonly currency: string;
  readonly payment_intent: string;
  readonly refunded: boolean;
}

export interface ConnectedAccount {
  id: string;
  object: 'account';
  metadata: Metadata;
  country: string;
  payouts_enabled: boolean;
  details_submitted: boolean;
  requirements: { currently_due: string[] };
  external_accounts: { object: 'list'; data: BankAccount[] };
}

interface BankAccount {
  readonly id: string;
  readonly object: 'bank_account';
  readonly bank_name: string;
  readonly country: string;
  readonly currency: string;
  readonly default_for_currency: boolean;
  readonly last4: string;
}

export interface Transfer {
  id: string;
  object: 'transfer';
  amount: number;
  currency: string;
  destination: string;
  transfer_group: string;
  metadata: Metadata;
  reversed: boolean;
}

export interface BankPayout {
  id: string;
  object: 'payout';
  amount: number;
  currency: string;
  method: string;
  metadata: Metadata;
  status: 'pending' | 'paid' | 'failed';
}

export interface StripeEvent {
  readonly id: string;
  readonly object: 'event';
  readonly type: string;
  readonly created: number;
  readonly account?: string;
  readonly data: { readonly object: object };
}

interface BalanceTransaction {
  readonly id: string;
  readonly object: 'balance_transaction';
  readonly type: 'charge' | 'refund' | 'adjustment' | 'transfer' | 'transfer_refund';
  readonly reporting_category: string;
  readonly amount: number;
  readonly source: string;
}

const TEST_BANK: BankAccount = {
  id: 'ba_test',
  object: 'bank_account',
  bank_name: 'STRIPE TEST BANK',
  country: 'US',
  currency: 'usd',
  default_for_currency: true,
  last4: '6789',
};

const now = () => Math.floor(Date.now() / 1_000);
const positive = (form: Form, ...path: readonly string[]): number => {
  const value = Number(field(form, ...path));
  if (!Number.isInteger(value) || value < 1)
    throw invalidRequest(`Invalid integer: ${path.join('.')}`);
  return value;
};

export class Bank {
  readonly sessions = new Map<string, Session>();
  readonly accounts = new Map<string, ConnectedAccount>();
  readonly transfers = new Map<string, Transfer>();
  readonly payouts = new Map<string, BankPayout & { readonly account: string }>();
  /** The transactions of the platform's balance, newest first, as Stripe lists them. */
  readonly report: BalanceTransaction[] = [];
  readonly events: StripeEvent[] = [];
  /** Cents refunded of each session. */
  readonly #refunded = new Map<string, number>();

  get balance(): number {
    return this.report.reduce((sum, { amount }) => sum + amount, 0);
  }

  createSession(form: Form): Session {
    const amount =
      positive(form, 'line_items', '0', 'price_data', 'unit_amount') *
      Number(field(form, 'line_items', '0', 'quantity') || 1);
    const id = `cs_test_${randomToken(24)}`;
    const session: Session = {
      id,
      object: 'checkout.session',
      amount_total: amount,
      currency: field(form, 'line_items', '0', 'price_data', 'currency'),
      client_reference_id: field(form, 'client_reference_id'),
      metadata: strings(form, 'metadata'),
      payment_intent: null,
      ...{ payment_status: 'unpaid', status: 'open', url: `https://checkout.example/${id}` },
    };
    this.sessions.set(id, session);
    return session;
  }

  /** The session with its payment and the charge of it, as a request with `expand` gets it. */
  sessionWithCharge(id: string): object {
    const session = get(this.sessions, id, 'checkout.session');
    const { payment_intent: payment } = session;
    if (payment === null) return session;
    const latest_charge = {
      id: `ch_${payment.slice(3)}`,
      object: 'charge',
      receipt_url: `https://pay.example/receipts/${payment}`,
    };
    return { ...session, payment_intent: { id: payment, object: 'payment_intent', latest_charge } };
  }

  pay(id: string): StripeEvent {
    const session = get(this.sessions, id, 'checkout.session');
    if (session.status !== 'open') throw new Error(`${id} is ${session.status}`);
    Object.assign(session, {
      payment_status: 'paid',
      status: 'complete',
      payment_intent: `pi_${randomToken(24)}`,
    });
    this.#book('charge', session.amount_total, id);
    return this.#event('checkout.session.completed', session);
  }

  /** The bank of the card's owner disputes `amount` of a paid session. */
  dispute(
    session: string,
    amount: number,
    status: 'warning_needs_response' | 'needs_response' = 'needs_response',
  ): { dispute: Dispute; event: StripeEvent } {
    const { payment_intent } = this.#paid(session);
    const dispute: Dispute = {
      id: `du_${randomToken(24)}`,
      object: 'dispute',
      amount,
      charge: `ch_${randomToken(24)}`,
      currency: 'usd',
      is_charge_refundable: false,
      payment_intent,
      reason: 'fraudulent',
      status,
    };
    if (status === 'needs_response') this.#book('adjustment', -amount, dispute.id, 'dispute');
    return { dispute, event: this.#event('charge.dispute.created', dispute) };
  }

  closeDispute(dispute: Dispute, status: 'warning_closed' | 'won' | 'lost'): StripeEvent {
    if (status === 'won') this.#book('adjustment', dispute.amount, dispute.id, 'dispute_reversal');
    return this.#event('charge.dispute.closed', { ...dispute, status });
  }

  /** Refunds `amount` of a paid session, beside what was refunded of it before. */
  refund(session: string, amount: number): StripeEvent {
    const { payment_intent, amount_total } = this.#paid(session);
    const refunded = (this.#refunded.get(session) ?? 0) + amount;
    if (refunded > amount_total) throw new Error('a refund is larger than its charge');
    this.#refunded.set(session, refunded);
    this.#book('refund', -amount, session);
    const charge: Charge = {
      id: `ch_${payment_intent.slice(3)}`,
      object: 'charge',
      amount: amount_total,
      amount_refunded: refunded,
      currency: 'usd',
      payment_intent,
      refunded: refunded === amount_total,
    };
    return this.#event('charge.refunded', charge);
  }

  #paid(id: string): Session & { readonly payment_intent: string } {
    const session = get(this.sessions, id, 'checkout.session');
    const { payment_intent } = session;
    if (payment_intent === null) throw new Error(`${id} is not paid`);
    return { ...session, payment_intent };
  }

  expire(id: string): StripeEvent {
    const session = Object.assign(get(this.sessions, id, 'checkout.session'), {
      status: 'expired',
    });
    return this.#event('checkout.session.expired', session);
  }

  createAccount(form: Form): ConnectedAccount {
    const account: ConnectedAccount = {
      id: `acct_${randomToken(16)}`,
      object: 'account',
      metadata: strings(form, 'metadata'),
      country: 'US',
      payouts_enabled: false,
      details_submitted: false,
      requirements: { currently_due: ['external_account', 'individual.id_number'] },
      external_accounts: { object: 'list', data: [] },
    };
    this.accounts.set(account.id, account);
    return account;
  }

  createLink(form: Form): object {
    const { id } = get(this.accounts, field(form, 'account'), 'account');
    return {
      object: 'account_link',
      url: `https://connect.example/${id}`,
      created: now(),
      expires_at: now() + 300,
    };
  }

  /**
   * Ends the onboarding of an account; `enabled` false means that Stripe demands more documents.
   */
  onboard(id: string, enabled = true, created = now()): StripeEvent {
    const account = Object.assign(get(this.accounts, id, 'account'), {
      payouts_enabled: enabled,
      details_submitted: true,
      requirements: { currently_due: enabled ? [] : ['individual.verification.document'] },
      external_accounts: { object: 'list' as const, data: [TEST_BANK] },
    });
    return this.#event('account.updated', account, { created });
  }

  /** Stripe deletes an account only after all its money was paid out. */
  deleteAccount(id: string): object {
    get(this.accounts, id, 'account');
    if (this.#left(id) > 0) throw invalidRequest('The account still has a balance.');
    this.accounts.delete(id);
    return { id, object: 'account', deleted: true };
  }

  /** Stripe pays the balance of an account out by itself, on its own schedule. */
  payOut(account: string): StripeEvent | undefined {
    const amount = this.#left(account);
    if (amount === 0) return undefined;
    const form = { amount: String(amount), currency: 'usd', method: 'standard' };
    return this.endPayout(this.createPayout(form, account).id, 'paid');
  }

  /** The owner of an account at Stripe ends its connection with the platform there. */
  deauthorize(id: string): StripeEvent {
    this.accounts.delete(id);
    return this.#event('account.application.deauthorized', { id: 'ca_test' }, { account: id });
  }

  createLoginLink(id: string): object {
    if (!get(this.accounts, id, 'account').details_submitted)
      throw invalidRequest(
        'Cannot create a login link for an account that has not completed onboarding.',
      );
    return { object: 'login_link', created: now(), url: `https://connect.example/express/${id}` };
  }

  createTransfer(form: Form): Transfer {
    const amount = positive(form, 'amount');
    const { id: destination } = get(this.accounts, field(form, 'destination'), 'destination');
    if (amount > this.balance)
      throw invalidRequest(
        'You have insufficient funds in your Stripe account.',
        'balance_insufficient',
      );
    const id = `tr_${randomToken(24)}`;
    const transfer: Transfer = {
      id,
      object: 'transfer',
      amount,
      currency: field(form, 'currency'),
      destination,
      transfer_group: field(form, 'transfer_group'),
      metadata: strings(form, 'metadata'),
      reversed: false,
    };
    this.transfers.set(id, transfer);
    this.#book('transfer', -amount, id);
    return transfer;
  }

  reverse(id: string): StripeEvent {
    const transfer = get(this.transfers, id, 'transfer');
    if (transfer.reversed) throw new Error(`${id} is reversed`);
    transfer.reversed = true;
    this.#book('transfer_refund', transfer.amount, id);
    return this.#event('transfer.reversed', transfer);
  }

  createPayout(form: Form, account: string): BankPayout {
    const amount = positive(form, 'amount');
    get(this.accounts, account, 'account');
    if (amount > this.#left(account))
      throw invalidRequest(
        'You have insufficient funds in your Stripe account.',
        'balance_insufficient',
      );
    const id = `po_${randomToken(24)}`;
    const payout = {
      id,
      object: 'payout' as const,
      amount,
      currency: field(form, 'currency'),
      method: field(form, 'method'),
      metadata: strings(form, 'metadata'),
      status: 'pending' as const,
      account,
    };
    this.payouts.set(id, payout);
    return payout;
  }

  /** What was transferred to a connected account and not paid out. */
  #left(account: string): number {
    const arrived = [...this.transfers.values()].filter(
      ({ destination, reversed }) => destination === account && !reversed,
    );
    const gone = [...this.payouts.values()].filter(
      (payout) => payout.account === account && payout.status !== 'failed',
    );
    return (
      arrived.reduce((sum, each) => sum + each.amount, 0) -
      gone.reduce((sum, each) => sum + each.amount, 0)
    );
  }

  endPayout(id: string, status: 'paid' | 'failed'): StripeEvent {
    const payout = Object.assign(get(this.payouts, id, 'payout'), { status });
    return this.#event(`payout.${status}`, payout, { account: payout.account });
  }

  #book(
    type: BalanceTransaction['type'],
    amount: number,
    source: string,
    reporting_category: string = type,
  ): void {
    this.report.unshift({
      id: `txn_${randomToken(24)}`,
      object: 'balance_transaction',
      type,
      reporting_category,
      amount,
      source,
    });
  }

  #event(
    type: string,
    object: object,
    { created = now(), account }: { created?: number; account?: string } = {},
  ): StripeEvent {
    const event = {
      id: `evt_${randomToken(24)}`,
      object: 'event',
      type,
      created,
      data: { object: structuredClone(object) },
      ...(account && { account }),
    } as const;
    this.events.push(event);
    return event;
  }
}

export function get<Value>(objects: ReadonlyMap<string, Value>, id: string, what: string): Value {
  const found = objects.get(id);
  if (found === undefined) throw missing(`${what}: '${id}'`);
  return found;
}
