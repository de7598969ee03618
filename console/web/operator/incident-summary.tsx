import { Status } from '../parts/figures.tsx';
import { Loaded } from '../parts/loaded.tsx';
import { useIncidents } from './incidents-page.tsx';
import { PLACES } from './places.ts';
import { o } from './texts.ts';

/** The open incidents in one line each, with the way to their steps. */
export function IncidentSummary() {
  const incidents = useIncidents();
  return (
    <Loaded of={incidents} lines={1}>
      {({ open }) =>
        open.length === 0 ? (
          <p class="banner banner-good">
            <Status tone="good" text={o.incidents.good} />
          </p>
        ) : (
          <section class="required" aria-label={o.incidents.open}>
            <ul>
              {open.map(({ alert, subject, severity }) => (
                <li key={`${alert} ${subject}`}>
                  <Status
                    tone={severity === 'critical' ? 'bad' : 'notice'}
                    text={o.incidents.titles[alert]}
                  />
                </li>
              ))}
            </ul>
            <p>
              <a href={PLACES.incidents}>{o.incidents.toSteps}</a>
            </p>
          </section>
        )
      }
    </Loaded>
  );
}
