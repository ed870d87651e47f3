// Texte der Prüfungen aller Hosts.
import type { checks as en } from '../en/checks.ts';

export const checks: Record<keyof typeof en, string> = {
  'checks.lead': '{n, plural, one {# Name} other {# Namen}}, {bad} davon irgendwo schlecht',
  'checks.filter': 'Name, oder worum es geht',
  'checks.name': 'Prüfung',
  'checks.failing': 'Schlecht',
  'checks.of': '{n} von {all}',
  'checks.pending': '{n} ohne Ergebnis',
  'checks.changed': 'Letzte Änderung',
  'checks.none': 'Noch wird kein Host auf etwas geprüft. Was ein Agent misst, wird geprüft, sobald er da ist; andere Prüfungen macht man in der Konfiguration.',
  'checks.of-hosts': 'auf {n, plural, one {# Host} other {# Hosts}}, die schlechtesten zuerst',
  'checks.back': 'Alle Prüfungen',
  'checks.says': 'Was sie sagt',
  'checks.error': 'Die Prüfungen lassen sich nicht lesen',
};
