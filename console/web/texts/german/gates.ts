import type { GateName } from '#bus-schemas/gates.ts';

/** German meanings of closed gates. The network's own sentences are English. */
export const germanGates: Readonly<Record<GateName, string>> = {
  not_wanted: 'Die Anfrage nennt nur andere Maschinen.',
  excluded: 'Sie hat diese Anfrage schon einmal nicht beantworten können.',
  silent: 'In letzter Zeit kam keine Nachricht von ihr. Prüfen Sie, ob sie wach und verbunden ist.',
  flooding:
    'Sie sendet weit mehr Nachrichten über sich, als der Router liest. Sie bekommt wieder Anfragen, wenn sie eine Minute lang weniger gesendet hat. Prüfen Sie ihr Protokoll und ihre Version.',
  draining: 'Sie wurde geleert: Sie beendet ihre Anfragen und nimmt keine neuen an.',
  memory_pressure:
    'Der Speicher ihres Computers ist knapp, weil andere Programme ihn benutzen. Sie bekommt wieder Anfragen, wenn das vorbei ist.',
  thermal_critical:
    'Ihr Computer meldet eine kritische Temperatur. Sie bekommt wieder Anfragen, wenn er abgekühlt ist.',
  closed:
    'Eine Einstellung ihres Besitzers schließt zurzeit Anfragen aus. „dinf provider status“ auf der Maschine zeigt, welche.',
  private_only: 'Sie bedient nur ihren Besitzer (--private-only).',
  no_batches: 'Ihr Besitzer schließt Zeilen von Stapeln aus (--no-batches).',
  paused:
    'Ein Betreiber hat sie geleert oder das Konto ihres Besitzers gesperrt. Sie beendet ihre Anfragen und nimmt keine neuen an.',
  suite:
    'Sie verwendet ein Verfahren zum Versiegeln, das der Koordinator nicht unterstützt. Aktualisieren Sie sie.',
  slot_failed: 'Sie konnte das Modell nicht laden. Der Grund steht in ihrem Protokoll.',
  model_too_large:
    'Das Modell braucht mehr Speicher, als ihr Computer hat. Bieten Sie ein kleineres Modell an.',
  free_memory:
    'Das Modell ist nicht im Speicher, und ihr Computer meldet zu wenig freien Speicher, um es zu laden. Schließen Sie andere Programme, oder bieten Sie ein kleineres Modell an.',
  traits:
    'Sie bietet eine Fähigkeit dieses Modells nicht an, die die Anfrage braucht (Werkzeuge, Bilder, Überlegungen). Aktualisieren Sie sie.',
  weights:
    'Ihre Modelldateien sind nicht die, die der Katalog nennt. Laden Sie das Modell erneut herunter.',
  level: 'Ihre Vertrauensstufe ist niedriger, als die Anfrage verlangt (provider.trust_level).',
  minimum_trust:
    'Ihre Vertrauensstufe ist niedriger, als dieses Netzwerk für bezahlte Anfragen verlangt (DINF_MIN_TRUST). Ihr Besitzer kann sie benutzen.',
  price:
    'Ihr Preis ist höher als der gelistete. Sie bekommt nur Anfragen von Aufrufern, die ihren Preis annehmen (provider.max_price).',
  context: 'Die Anfrage ist länger als der Kontext, den sie anbietet.',
  probation:
    'Sie ist neu: Sie bekommt 1 von 20 Anfragen, bis sie die Probefragen des Betreibers besteht. Ihr Besitzer kann sie ohne Grenze benutzen.',
  slow: 'Ihre Antwort auf diese Anfrage begänne zu spät, selbst wenn sie keine andere hätte.',
  breaker:
    'Ihr sind in kurzer Zeit mehrere Anfragen misslungen. Nach einer Pause wird sie von selbst wieder versucht, zuerst mit einer Anfrage.',
  cooling:
    'Sie hat eine Anfrage abgelehnt, obwohl sie freie Kapazität gemeldet hatte. Nach einer kurzen Pause bekommt sie wieder Anfragen.',
  busy: 'Sie hat so viele Anfragen, wie sie zugleich beantworten kann.',
  tokens: 'Sie hat zu wenig Speicher übrig für eine Anfrage dieser Länge.',
  crowded:
    'Jede ihrer Antworten würde langsamer, als das Netzwerk will (DINF_MIN_STREAM_TPS), darum werden andere Maschinen bevorzugt.',
  unordered:
    'Das Konto belegt seinen Anteil der Plätze dieses Modells mit versiegelten Sitzungen, in denen es noch nichts bestellt hat. Ein Platz wird frei, wenn es bestellt oder eine Sitzung endet.',
};
