import type { OwnMachine } from '../../state/answers.ts';

type TrustFault = NonNullable<OwnMachine['trust']['fault']>;

/** German reasons for not trusting a machine, with the next step. The network's own are English. */
export const germanFaults: Readonly<Record<TrustFault, string>> = {
  bad_signature:
    'Ihr Nachweis ist nicht mit ihrem Schlüssel unterschrieben. Melden Sie sie neu an; hilft das nicht, wurde ihr Programm verändert.',
  wrong_provider:
    'Sie hat den Nachweis einer anderen Maschine geschickt. Jede Maschine braucht einen eigenen Ordner (DINF_HOME).',
  wrong_bus_key:
    'Ihr Schlüssel auf dem Bus ist nicht der, mit dem sie angemeldet wurde. Melden Sie sie neu an.',
  other_signing_key:
    'Ihr Schlüssel für Unterschriften ist ein anderer als früher. Melden Sie sie neu an; Arbeit mit dem alten Schlüssel bleibt bezahlt.',
  posture_off:
    'System Integrity Protection, Secure Boot oder das versiegelte System-Volume ist ausgeschaltet. Schalten Sie es in der macOS-Wiederherstellung ein, und bitten Sie den Betreiber, die Maschine zu begnadigen.',
  posture_unknown:
    'Ihr System meldet nicht, ob System Integrity Protection und Secure Boot eingeschaltet sind. Aktualisieren Sie macOS, oder fragen Sie den Betreiber.',
  bad_certificates:
    'Die Zertifikate von Apple gehören zu einem anderen Schlüssel, sind abgelaufen oder melden einen ausgeschalteten Schutz. Bitten Sie den Betreiber, neue anzufordern.',
  clock_off:
    'Ihre Uhr geht um mehr als zwei Minuten falsch. Lassen Sie die Zeit von einem Zeitserver stellen.',
  unknown_code:
    'Auf ihr läuft eine Version, die nicht oder nicht mehr zugelassen ist. Aktualisieren Sie das Programm.',
  unsupported_suite:
    'Dieses Netzwerk unterstützt ihr Verfahren zum Versiegeln nicht. Aktualisieren Sie das Programm.',
  wrong_model:
    'Ihre Antworten auf Probefragen sind die eines anderen Modells. Laden Sie das Modell neu herunter, und bitten Sie den Betreiber, die Maschine zu begnadigen.',
  overbilled:
    'Sie hat an einem Tag in mehreren Stichproben mehr Tokens berechnet, als ihre Antworten haben. Installieren Sie das veröffentlichte Programm und Modell, und bitten Sie den Betreiber, die Maschine zu begnadigen.',
  unproven_bus_key:
    'Ihr Nachweis ist nicht mit ihrem Schlüssel auf dem Bus unterschrieben. Aktualisieren Sie das Programm; hilft das nicht, melden Sie sie neu an.',
  no_answer:
    'Sie hat drei Anfragen nach ihrem Nachweis nicht beantwortet. Prüfen Sie, ob das Programm läuft und verbunden ist.',
};
