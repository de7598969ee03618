import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { PrintedReceipt } from '#bus-schemas';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';

interface ReceiptOptions {
  readonly key?: string;
  readonly answer?: string;
  readonly salt?: string;
}

/** Checks what we and others have signed, without asking anyone else. */
export function addVerifyCommand(program: Command): void {
  const verify = program.command('verify').description('check what was signed, offline');
  verify
    .command('receipt')
    .argument('<file>', 'as GET /v1/receipts/{job} gave it')
    .description('that the provider and the coordinator signed a receipt as it stands')
    .option(
      '--key <hex>',
      'the coordinator’s, from a place that you trust (GET /v1/receipt-keys); otherwise it is shown for you to compare',
    )
    .option('--answer <file>', 'the text that you got: whether it is the one that was signed for')
    .option('--salt <hex>', 'the header X-Receipt-Salt of the answer; needed with --answer')
    .action((file: string, options: ReceiptOptions) => verifyReceipt(file, options));
}

async function verifyReceipt(file: string, { key, answer, salt }: ReceiptOptions): Promise<void> {
  const { faultOfReceipt } = await import('#bus-schemas');
  const receipt = await readJson(file);
  const fault = faultOfReceipt(receipt);
  if (fault !== undefined) throw new CommandError(EXIT.failure, `${file}: ${fault}.`);
  const {
    coordinator_key: signedWith,
    provider,
    job,
    charged_micro_usd: charged,
  } = receipt as Record<string, string>;
  if (key !== undefined && key.toLowerCase() !== signedWith)
    throw new CommandError(
      EXIT.failure,
      `${file}: signed with ${signedWith}, which is another coordinator’s key.`,
    );
  if (answer !== undefined) await verifyAnswer(receipt as PrintedReceipt, answer, salt);
  console.log(
    `${job}: ${provider} did it and it cost ${charged} micro-dollars. Both signatures hold${answer === undefined ? '' : ', and the answer is the one'}.`,
  );
  if (key === undefined)
    console.log(
      `The coordinator’s key is ${signedWith}; compare it with one from a place that you trust.`,
    );
}

async function verifyAnswer(
  receipt: PrintedReceipt,
  file: string,
  salt: string | undefined,
): Promise<void> {
  const { fromHex, isReceiptFor, RECEIPT_SALT_BYTES } = await import('#bus-schemas');
  const isSalt =
    salt !== undefined && salt.length === 2 * RECEIPT_SALT_BYTES && /^[0-9a-f]*$/i.test(salt);
  if (receipt.version !== undefined && !isSalt)
    throw new CommandError(
      EXIT.usage,
      'This receipt needs the salt of its answer: give the header X-Receipt-Salt as --salt.',
    );
  if (!isReceiptFor(receipt, await readFile(file), isSalt ? fromHex(salt) : undefined))
    throw new CommandError(EXIT.failure, `${file} is not the answer that this receipt is for.`);
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (cause) {
    throw new CommandError(EXIT.failure, `${file} cannot be read as JSON.`, { cause });
  }
}
