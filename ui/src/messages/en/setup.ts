// Texts of the first start.
export const setup = {
  'setup.title': 'Make the first administrator',
  'setup.text': 'This server is new. The code that it printed when it started shows that it is yours.',
  'setup.code': 'One-time code',
  'setup.code-hint': 'The server prints it at its start, and a link that contains it.',
  'setup.code-link': 'Taken from the link.',
  'setup.code-missing': 'Enter the code that the server printed.',
  'setup.code-wrong': 'The code is wrong or has been used.',
  'setup.user': 'Name to sign in with',
  'setup.user-hint': 'Short, without spaces: mira',
  'setup.user-missing': 'Enter a name.',
  'setup.name': 'Full name (optional)',
  'setup.password': 'Password',
  'setup.password-hint': 'At least {n} characters. A sentence is fine.',
  'setup.password-short': 'At least {n} characters.',
  'setup.do': 'Create and sign in',
} as const satisfies Record<string, string>;
