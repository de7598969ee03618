import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';

interface ReceiptOptions {
  readonly key?: string;
  readonly answer?: string;
}

/** Checks what we and others have signed, without asking anybody. */
export function addVerifyCommand(program: Command): void {
  const verify = program.command('verify').description('check what was signed, offline');
  verify
    .command('receipt')
    .argument('<file>', 'as GET /v1/receipts/{job} gave it')
    .description('that the provider and the coordinator signed a receipt as it stands')
    .option('--key <hex>', 'the coordinator’s, from a place that you trust (GET /v1/receipt-keys); otherwise it is shown for you to compare')
    .option('--answer <file>', 'the text that you got: whether it is the one that was signed for')
    .action((file: string, options: ReceiptOptions) => verifyReceipt(file, options));
}

async function verifyReceipt(file: string, { key, answer }: ReceiptOptions): Promise<void> {
  const { faultOfReceipt } = await import('#bus-schemas');
  const receipt = await readJson(file);
  const fault = faultOfReceipt(receipt);
  if (fault !== undefined) throw new CommandError(EXIT.failure, `${file}: ${fault}.`);
  const { coordinator_key: signedWith, response_hash: responseHash, provider, job, charged_micro_usd: charged } = receipt as Record<string, string>;
  if (key !== undefined && key.toLowerCase() !== signedWith)
    throw new CommandError(EXIT.failure, `${file}: signed with ${signedWith}, which is another coordinator’s key.`);
  if (
    answer !== undefined &&
    createHash('sha256')
      .update(await readFile(answer))
      .digest('hex') !== responseHash
  ) {
    throw new CommandError(EXIT.failure, `${answer} is not the answer that this receipt is for.`);
  }
  console.log(
    `${job}: ${provider} did it and it cost ${charged} micro-dollars. Both signatures hold${answer === undefined ? '' : ', and the answer is the one'}.`,
  );
  if (key === undefined) console.log(`The coordinator’s key is ${signedWith}; compare it with one from a place that you trust.`);
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (cause) {
    throw new CommandError(EXIT.failure, `${file} cannot be read as JSON.`, { cause });
  }
}
