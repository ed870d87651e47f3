// Texts of users, and of the audit, beside those of the whole page: they come with what shows them.
import { users } from './en/users.ts';
import { partOf } from './index.ts';

export const t = partOf(users);
