import { MISTRAL_SIGNS } from '../answers/formats/mistral.ts';
import { FolderWithSignsUnderTest } from './folder-with-signs-under-test.ts';

const SIGNS = new Map(
  [...Object.values(MISTRAL_SIGNS), '[INST]', '[/INST]', '</s>'].map((name, index) => [
    500 + index,
    name,
  ]),
);

/** A copy of the tiny model with the control tokens of Mistral. `call` is how its template writes calls. */
export const createMistralFolder = (call: string): Promise<FolderWithSignsUnderTest> =>
  FolderWithSignsUnderTest.create({
    signs: SIGNS,
    endToken: '</s>',
    template: `{% for m in messages %}{% if m.tool_calls %}${call}{% endif %}[INST]{{ m.content }}[/INST]{% endfor %}`,
  });
