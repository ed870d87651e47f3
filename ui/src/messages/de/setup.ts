// Texte zu dem ersten Start.
import type { setup as en } from '../en/setup.ts';

export const setup: Record<keyof typeof en, string> = {
  'setup.title': 'Den ersten Administrator anlegen',
  'setup.text': 'Dieser Server ist neu. Der Code, den er beim Start ausgegeben hat, zeigt, dass er Ihnen gehört.',
  'setup.code': 'Einmalcode',
  'setup.code-hint': 'Der Server gibt ihn beim Start aus, und einen Link, der ihn enthält.',
  'setup.code-link': 'Aus dem Link übernommen.',
  'setup.code-missing': 'Geben Sie den Code ein, den der Server ausgegeben hat.',
  'setup.code-wrong': 'Der Code ist falsch oder schon benutzt.',
  'setup.user': 'Name zum Anmelden',
  'setup.user-hint': 'Kurz, ohne Leerzeichen: mira',
  'setup.user-missing': 'Geben Sie einen Namen ein.',
  'setup.name': 'Voller Name (freiwillig)',
  'setup.password': 'Passwort',
  'setup.password-hint': 'Mindestens {n} Zeichen. Ein Satz ist gut.',
  'setup.password-short': 'Mindestens {n} Zeichen.',
  'setup.do': 'Anlegen und anmelden',
};
