import { send } from '../api/call.ts';
import { useAction } from '../state/action.ts';
import { t } from '../texts.ts';
import { ActionFailure } from './action-failure.tsx';

interface ExportProps {
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly file: string;
}

/** Saves all rows of a list as CSV. */
export function ExportButton({ path, query, file }: ExportProps) {
  const action = useAction();
  const save = async () => {
    const response = await send({ method: 'GET', path, query: { ...query, format: 'csv' } });
    // A link cannot send the header of the console, so the file is fetched and then saved.
    const url = URL.createObjectURL(await response.blob());
    const link = document.createElement('a');
    link.href = url;
    link.download = file;
    link.click();
    URL.revokeObjectURL(url);
  };
  return (
    <>
      <button
        type="button"
        class="button"
        disabled={action.isBusy}
        onClick={() => action.run(save)}
      >
        {t.exportCsv}
      </button>
      <ActionFailure of={action} />
    </>
  );
}
