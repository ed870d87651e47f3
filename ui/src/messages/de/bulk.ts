import type { bulk as en } from '../en/bulk.ts';

// Texte dessen, was mit vielen auf einmal geschieht.
export const bulk: Record<keyof typeof en, string> = {
  'bulk.tag': 'Tag setzen',
  'bulk.remove': 'Entfernen',
  'bulk.ack-title': '{n, plural, one {# Vorfall} other {# Vorfälle}} quittieren',
  'bulk.ack-none': 'Dort wartet nichts auf jemanden.',
  'bulk.ack-done': '{n, plural, one {# Vorfall} other {# Vorfälle}} quittiert.',
  'bulk.ack-back': 'Zurückgenommen: {n, plural, one {# Quittierung} other {# Quittierungen}}.',
  'bulk.some-failed': '{failed} von {n} gingen nicht: {why}',
  'bulk.tag-title': '{n, plural, one {# Host} other {# Hosts}} einen Tag geben',
  'bulk.tag-hint': 'Etwa role:db. Er wird in die Konfiguration jedes Hosts geschrieben.',
  'bulk.tag-required': 'Welcher Tag?',
  'bulk.tag-done': '{n, plural, one {# Host hat} other {# Hosts haben}} jetzt den Tag {tag}.',
  'bulk.tag-back': 'Der Tag ist von {n, plural, one {# Host} other {# Hosts}} wieder weg.',
  'bulk.remove-title': '{n, plural, one {# Host} other {# Hosts}} entfernen?',
  'bulk.remove-text': 'Ihre Prüfungen, offenen Vorfälle und Geschichte verschwinden. Was noch einen meldenden Agenten hat, kommt als neuer Host wieder. Eine Stunde lang, und bis der Server neu startet, lässt sich das rückgängig machen.',
  'bulk.remove-more': 'und {n} weitere',
  'bulk.remove-done': '{n, plural, one {# Host} other {# Hosts}} entfernt.',
  'bulk.remove-back': '{n, plural, one {# Host ist} other {# Hosts sind}} wieder da.',
  'bulk.part': 'Sie dürfen das bei {n} davon.',
};
