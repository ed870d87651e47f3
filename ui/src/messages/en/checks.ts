// Texts of the checks of all hosts.
export const checks = {
  'checks.lead': '{n, plural, one {# name} other {# names}}, {bad} failing somewhere',
  'checks.filter': 'Name or what it is about',
  'checks.name': 'Check',
  'checks.failing': 'Failing',
  'checks.of': '{n} of {all}',
  'checks.pending': '{n} without a result',
  'checks.changed': 'Last change',
  'checks.none': 'No host is checked for anything yet. What an agent measures is checked as soon as it has joined; other checks are made in the configuration.',
  'checks.of-hosts': 'on {n, plural, one {# host} other {# hosts}}, the worst first',
  'checks.back': 'All checks',
  'checks.says': 'What it says',
  'checks.error': 'The checks cannot be read',
} as const satisfies Record<string, string>;
