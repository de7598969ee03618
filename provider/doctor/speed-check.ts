import { advice, type Check, type CheckOutcome, fine, unknown } from './check.ts';
import type { Facts, ModelFact } from './facts.ts';

const MEASURE = 'dinf provider stop, dinf provider benchmark, dinf provider start';

/** Whether the figures of `dinf provider benchmark` still belong to the engine and the models. */
export const speedCheck: Check = {
  name: 'speeds',
  meaning: 'Routers choose machines by the speeds that they announce and that were measured.',
  judge: (facts) => {
    if (facts.modelServer !== undefined)
      return fine('The speeds of a model server are measured from its answers.');
    const outcomes = facts.models.map((model) => judgeModel(model, facts));
    return (
      outcomes.find(({ state }) => state === 'advice') ??
      outcomes.find(({ state }) => state === 'unknown') ??
      outcomes[0] ??
      unknown('No model was chosen.')
    );
  },
};

function judgeModel(
  { build, changedAt }: ModelFact,
  { settings, engine, measurements, programVersion }: Facts,
): CheckOutcome {
  const wanted = settings?.engine ?? 'auto';
  const runs = wanted === 'auto' && 'name' in engine ? engine.name : wanted;
  const ofModel = measurements.filter((one) => one.build === build);
  const measured = ofModel.find((one) => one.engine === runs);
  if (measured === undefined)
    return ofModel[0] === undefined
      ? unknown(
          `${build} was not measured: it announces the result of a trial of some tokens. "dinf provider benchmark" measures it.`,
        )
      : advice(`${build} was measured with ${ofModel[0].engine} and runs with ${runs}.`, MEASURE);
  if (measured.version !== programVersion)
    return advice(
      `${build} was measured with version ${measured.version}, and this is ${programVersion}.`,
      MEASURE,
    );
  if (changedAt > measured.at)
    return advice(`The files of ${build} are newer than its measurement.`, MEASURE);
  const { prefillTps, decodeTps } = measured.announced;
  return fine(
    `${build} reads ${prefillTps.toFixed(0)} and writes ${decodeTps.toFixed(0)} tokens/s, as measured on ${new Date(measured.at).toISOString().slice(0, 10)}.`,
  );
}
