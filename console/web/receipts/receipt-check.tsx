import { useState } from 'preact/hooks';
import { call } from '../api/call.ts';
import { Status } from '../parts/figures.tsx';
import { Loaded } from '../parts/loaded.tsx';
import { useResource } from '../state/resource.ts';
import { t } from '../texts.ts';
import { type ReceiptFile, type ReceiptVerdict, verifyReceipt } from './verify.ts';

/** The receipt of a request, and its check in this browser. */
export function ReceiptCheck({ job }: { job: string }) {
  const receipt = useResource(`receipt/${job}`, async () => ({
    file: await call('GET /v1/receipts/{job}', { path: { job } }),
    keys: (await call('GET /v1/receipt-keys')).keys,
  }));
  return (
    <section class="receipt">
      <h3>{t.receipt.title}</h3>
      <p class="hint">{t.receipt.text}</p>
      <Loaded of={receipt} lines={2}>
        {({ file, keys }) => <Check file={file} keys={keys} />}
      </Loaded>
    </section>
  );
}

function Check({ file, keys }: { file: ReceiptFile; keys: readonly string[] }) {
  const [verdict, setVerdict] = useState<ReceiptVerdict | 'impossible'>();
  const verify = () =>
    void verifyReceipt(file, keys).then(setVerdict, (error: unknown) => {
      console.warn('this browser cannot check the receipt', error);
      setVerdict('impossible');
    });
  return (
    <>
      <p class="actions">
        <button type="button" class="button" onClick={verify}>
          {t.receipt.verify}
        </button>
      </p>
      <p role="status">
        {verdict && (
          <Status
            tone={verdict === 'valid' ? 'good' : verdict === 'impossible' ? 'notice' : 'bad'}
            text={t.receipt.verdicts[verdict]}
          />
        )}
      </p>
      <details>
        <summary>{t.receipt.show}</summary>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: long lines are scrolled by keyboard */}
        <pre class="receipt-file" tabIndex={0}>
          {JSON.stringify(file, undefined, 2)}
        </pre>
      </details>
    </>
  );
}
