import type { modelsTexts as english } from '../english/models.ts';
import type { Translation } from '../translation.ts';

/** German texts of the models. */
export const germanModelsTexts: Translation<typeof english> = {
  models: {
    title: 'Modelle',
    intro:
      'Was das Netzwerk anbietet, was es kostet und wie viele Maschinen es in diesem Augenblick bereitstellen könnten.',
    emptyTitle: 'Noch keine Modelle',
    empty: 'Ein Betreiber fügt dem Katalog Modelle mit dinf models put hinzu.',
    search: 'Modell suchen',
    noMatch: 'Kein Modell hat diesen Namen.',
    name: 'Modell',
    features: 'Fähigkeiten',
    context: 'Kontext',
    output: 'Längste Antwort',
    priceIn: 'Eingabe',
    priceCached: 'Eingabe im Cache',
    priceOut: 'Ausgabe',
    perMillion: 'Preise in US-Dollar für eine Million Token.',
    alsoNamed: (names) => `auch ${names}`,
    machines: 'Maschinen',
    speed: 'Tempo',
    firstContent: 'Erster Inhalt',
    firstContentTitle:
      'Zeit von der Anfrage bis zum ersten Inhalt, bei den Antworten von 24 Stunden: der Median, und die Zeit, in der 95 % von ihnen begannen',
    within: (time) => `p95 ${time}`,
    speedTitle:
      'Token pro Sekunde einer Antwort, bei den Antworten von 24 Stunden: der Median, und das Tempo, das 95 % von ihnen erreichten; bei einem wenig genutzten Modell der Durchschnitt von 30 Tagen',
    atLeast: (speed) => `p95 ${speed}`,
    tokensPerSecond: (count) => `${count} Tok/s`,
    noSpeed: '–',
    serve: 'bereit',
    noMachines: 'Zurzeit keine',
    warm: (warm, all) => `${all} könnten antworten, ${warm} mit dem Modell im Speicher`,
    queued: (count) => `${count} warten`,
    featureNames: {
      tools: 'Werkzeuge',
      vision: 'Bilder',
      reasoning: 'Überlegung',
      embeddings: 'Vektoren',
      rerank: 'Relevanz',
    },
    noFeatures: 'Text',
    beta: 'Beta',
    deprecated: (date) => `Endet am ${date}`,
    tokens: (count) => `${count} Token`,
    tryIt: 'Chat',
    tryName: (name) => `Chat mit ${name}`,
    noPrice: 'Kein Preis',
    asked: (machines) => `${machines} Maschinen verlangen weniger als den Listenpreis`,
  },
};
