// Texts of one's own account: the log-in, its second factors, tokens and browsers, beside those of the whole page: they come with what shows them.
import { account } from './en/account.ts';
import { partOf } from './index.ts';

export const t = partOf(account);
