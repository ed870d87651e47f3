// Every text in English: what other languages must have.
import { account } from './en/account.ts';
import { bulk } from './en/bulk.ts';
import { checks } from './en/checks.ts';
import { configuration } from './en/configuration.ts';
import { dashboards } from './en/dashboards.ts';
import { dropping } from './en/dropping.ts';
import { joining } from './en/joining.ts';
import { ordering } from './en/ordering.ts';
import { measured } from './en/measured.ts';
import { owning } from './en/owning.ts';
import { planning } from './en/planning.ts';
import { publishing } from './en/publishing.ts';
import { settings } from './en/settings.ts';
import { setup } from './en/setup.ts';
import { telling } from './en/telling.ts';
import { users } from './en/users.ts';
import { en } from './en.ts';

export const all = {
  ...en,
  ...account,
  ...bulk,
  ...checks,
  ...configuration,
  ...dashboards,
  ...dropping,
  ...joining,
  ...ordering,
  ...measured,
  ...owning,
  ...planning,
  ...publishing,
  ...settings,
  ...setup,
  ...telling,
  ...users,
};
