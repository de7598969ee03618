type Texts = Readonly<Record<string, string>>;

/** German sentences of refusals, by the `reason` of an error of the API. */
export const germanRefusals: Texts = {
  'decideLink.unknown': 'Keine Maschine zeigt diesen Code.',
  'decideLink.used': 'Dieser Code wurde schon zugelassen oder abgelehnt.',
  'decideLink.expired':
    'Dieser Code ist abgelaufen. Die Maschine zeigt einen neuen, wenn sie wieder fragt.',
  'redeemSignInCode.unknown': 'Dieser Link ist ungültig. „dinf sign-in --link“ druckt einen neuen.',
  'redeemSignInCode.used':
    'Dieser Link wurde schon benutzt: Er gilt einmal. „dinf sign-in --link“ druckt einen neuen.',
  'redeemSignInCode.expired':
    'Dieser Link ist abgelaufen. „dinf sign-in --link“ druckt einen neuen.',
  'redeemInvite.unknown': 'Diese Einladung gibt es nicht.',
  'redeemInvite.used_up': 'Diese Einladung ist aufgebraucht.',
  'redeemInvite.expired': 'Diese Einladung ist abgelaufen.',
  'applyReferral.unknown': 'Diesen Code gibt es nicht.',
  'applyReferral.own': 'Das ist Ihr eigener Code.',
  'applyReferral.already': 'Dieses Konto hat schon einen Werber.',
  'change.unknown': 'Dieses Modell oder diesen Alias gibt es nicht.',
  'change.taken': 'Ein Modell hat diesen Namen.',
  'change.in_use': 'Das Modell hat noch Aliasse. Entfernen Sie diese zuerst.',
  'rollOut.same_build': 'Dieser Build wird schon bevorzugt.',
  'rollOut.not_served': 'Zurzeit bietet keine Maschine diesen Build an.',
  'rollOut.not_pinned':
    'Der jetzige Build hat einen Digest seiner Gewichte, also braucht auch dieser einen.',
  'revert.no_previous': 'Bei diesem Modell wurde kein Build ausgerollt.',
  'credit.operation_conflict': 'Diese Kennung wurde schon mit anderen Werten benutzt.',
  'reward.insufficient_funds':
    'Die Gebühren, die die Plattform verdient hat, decken diese Belohnung nicht.',
  'checkout.not_configured': 'Dieses Netzwerk hat keine Zahlungen.',
  'checkout.unavailable': 'Stripe ist zurzeit nicht erreichbar.',
  'checkout.too_small': 'Der Betrag ist kleiner als der Mindestbetrag.',
  'withdraw.not_onboarded': 'Richten Sie zuerst das Ziel der Auszahlungen bei Stripe ein.',
  'withdraw.insufficient_funds':
    'Der auszahlbare Teil des Guthabens ist kleiner als dieser Betrag. Solange eine Zahlung bestritten wird, kann nichts ausgezahlt werden.',
  'dashboard.not_onboarded': 'Richten Sie zuerst das Ziel der Auszahlungen bei Stripe ein.',
  'disconnect.not_connected': 'Sie haben kein Konto bei Stripe.',
  'disconnect.money_on_the_way':
    'Eine Auszahlung ist unterwegs, oder Stripe hat noch Geld dieses Kontos. Trennen Sie es, wenn Stripe alles ausgezahlt hat.',
  'depositReceipt.unknown': 'Eine solche bezahlte Einzahlung haben Sie nicht.',
  'receipt.unknown_job': 'Diese Anfrage haben Sie nicht, oder sie ist noch nicht beendet.',
  'receipt.unsigned': 'Für diese Anfrage hat noch keine Maschine unterschrieben.',
  'receipt.forged': 'Die Unterschrift der Maschine passt nicht zur aufgezeichneten Arbeit.',
  'showName.unknown_machine': 'Diese Maschine haben Sie nicht.',
  'showName.taken':
    'Eine andere Maschine hat diesen Namen oder einen, der sich mit ihm verwechseln lässt. Wählen Sie einen anderen.',
  'showName.reserved':
    'Ein Name mit einem Wort wie „official“, „operator“, „admin“ oder „dinf“ sähe aus wie einer des Netzwerks selbst. Wählen Sie einen anderen.',
  'showName.withdrawn':
    'Der Betreiber hat einer Ihrer Maschinen einen Namen entzogen, darum können sie keinen anderen bekommen. Fragen Sie den Betreiber nach dem Grund.',
  'showName.too_many':
    'Höchstens 20 Ihrer Maschinen können auf der Rangliste stehen. Nehmen Sie zuerst eine andere herunter.',
  'showName.full':
    'Die Rangliste ist voll: 2.000 Maschinen haben einen öffentlichen Namen. Versuchen Sie es später.',
};

const always = (text: string) => () => text;

/**
 * German sentences of errors, by their code: those of the API, and those of the checks before a
 * message is sealed. The value is the field of the request that caused the error, or empty.
 */
export const germanErrors: Readonly<Record<string, (param: string) => string>> = {
  invalid_json: always('Die Anfrage ist kein gültiges JSON.'),
  invalid_request: (param) =>
    param === '' ? 'Die Anfrage ist ungültig.' : `Der Wert von „${param}“ ist nicht zulässig.`,
  invalid_schema: always('Zu diesem JSON-Schema kann keine gültige Antwort erzeugt werden.'),
  badly_sealed: always(
    'Die Maschine kann diese versiegelte Anfrage nicht öffnen. Senden Sie sie neu.',
  ),
  unsupported_media_type: always('Die Anfrage muss JSON sein.'),
  payload_too_large: always('Die Anfrage ist größer als 16 MiB.'),
  missing_key: always('Der Anfrage fehlt ein API-Schlüssel.'),
  invalid_api_key: always('Der Schlüssel ist unbekannt oder wurde widerrufen.'),
  invalid_token: always('Die Anmeldung ist ungültig oder abgelaufen.'),
  signed_out: always(
    'Sie sind abgemeldet, oder Ihre Sitzung ist abgelaufen. Melden Sie sich neu an.',
  ),
  user_required: always('Dafür muss eine Person angemeldet sein; ein API-Schlüssel genügt nicht.'),
  key_required: always('Dafür ist ein API-Schlüssel nötig.'),
  model_not_allowed: always('Dieser API-Schlüssel darf dieses Modell nicht benutzen.'),
  account_suspended: always(
    'Ein Betreiber hat dieses Konto gesperrt. Fragen Sie den Betreiber des Netzwerks nach dem Grund.',
  ),
  forbidden: always('Dazu sind Sie nicht berechtigt.'),
  conflict: always('Derselbe Vorgang wurde schon mit anderen Werten ausgeführt.'),
  gone: always('Das Gesuchte ist abgelaufen.'),
  request_running: always('Eine Anfrage mit diesem Idempotency-Key läuft noch.'),
  seal_again: always('Diese Maschine kann die Anfrage nicht beantworten. Senden Sie sie neu.'),
  idempotency_key_reused: always('Dieser Idempotency-Key wurde für eine andere Anfrage benutzt.'),
  preferences_unmet: always('Keine Maschine erfüllt die Wünsche dieser Anfrage.'),
  no_linked_machine: always(
    'Die Anfrage lässt nur eigene Maschinen zu, und Ihr Konto hat keine. „dinf provider --link“ verbindet eine.',
  ),
  rate_limit_exceeded: always('Das Limit der Anfragen oder Tokens je Minute ist erreicht.'),
  not_configured: always('Dieses Netzwerk bietet das nicht an.'),
  insufficient_quota: always(
    'Das Guthaben deckt die höchsten möglichen Kosten dieser Anfrage nicht. Zahlen Sie ein.',
  ),
  payment_owed: always(
    'Das Konto schuldet Geld, weil eine Zahlung zurückgegeben oder bestritten wurde, nachdem ihr Guthaben ausgegeben war. Zahlen Sie ein: Davon wird die Schuld zuerst bezahlt.',
  ),
  key_limit_reached: always(
    'Die Anfrage könnte mehr kosten, als das Limit dieses Schlüssels übrig lässt. Erhöhen Sie das Limit.',
  ),
  account_limit_reached: always(
    'Die Anfrage könnte mehr kosten, als das Konto heute (UTC) noch ausgeben darf. Der Betreiber des Netzwerks hat dieses Limit gesetzt.',
  ),
  model_not_found: always('Dieses Modell gibt es nicht.'),
  not_found: always('Das Gesuchte gibt es nicht.'),
  previous_response_not_found: always('Die vorige Antwort ist nicht gespeichert.'),
  storage_full: always('Das Konto speichert so viel, wie es darf.'),
  method_not_allowed: always('Diese Adresse kennt diese Methode nicht.'),
  context_length_exceeded: always(
    'Das Gespräch ist länger als der Kontext des Modells. Beginnen Sie ein neues, oder kürzen Sie die Nachricht.',
  ),
  saturated: always('Alle Maschinen dieses Modells sind beschäftigt.'),
  model_shed: always('Der Betreiber hat Anfragen für dieses Modell angehalten.'),
  first_content_timeout: always('Keine Maschine hat ihre Antwort rechtzeitig begonnen.'),
  overloaded: always(
    'Dieser Server bekommt mehr Anfragen, als er bearbeiten kann. Wiederholen Sie die Anfrage später.',
  ),
  draining: always('Dieser Server wird beendet. Wiederholen Sie die Anfrage.'),
  no_provider: always('Zurzeit bietet keine Maschine dieses Modell an.'),
  provider_error: always('Keine der Maschinen, die es versucht haben, konnte antworten.'),
  service_unavailable: always('Ein Teil des Netzwerks ist zurzeit nicht erreichbar.'),
  stream_cut: always(
    'Die Maschine hat mitten in der Antwort aufgehört, und keine andere konnte sie fortsetzen. Nur gelieferte Tokens werden berechnet.',
  ),
  provider_out_of_memory: always(
    'Der Computer der Maschine brauchte seinen Speicher, darum wurde die Antwort beendet. Nur gelieferte Tokens werden berechnet.',
  ),
  timeout: always('Die Antwort hat länger gedauert, als eine Anfrage darf.'),
  invalid_enrolment: always('Die Maschine kann nicht angemeldet werden.'),
  invalid_renewal: always('Die Unterschrift der Maschine ist ungültig.'),
  internal_error: always('Ein interner Fehler ist aufgetreten. Er wurde protokolliert.'),
  unreadable_answer: always('Die Antwort des Netzwerks ist nicht lesbar.'),
  not_this_network: always('Diese Adresse gehört nicht zu diesem Netzwerk.'),
  untrusted_offer: always('Die angebotene Maschine hat nicht bewiesen, was sie ist.'),
  log_forked: always(
    'Das Protokoll unterscheidet sich von dem, das dieser Browser früher gesehen hat.',
  ),
  log_key_changed: always('Der Schlüssel des Protokolls hat sich geändert.'),
  log_stale: always('Das Protokoll ist zu alt.'),
  false_outline: always('Die Maschine hat im Klartext etwas anderes angegeben als versiegelt.'),
  false_hash: always('Der Beleg der Maschine passt nicht zur Antwort.'),
  unopenable_frame: always('Ein Teil der Antwort lässt sich nicht öffnen.'),
  request_too_long: always('Die Nachricht ist zu lang, um versiegelt zu werden.'),
};
