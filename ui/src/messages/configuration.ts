// Texts of the configuration, beside those of the whole page: they come with what shows them.
import { configuration } from './en/configuration.ts';
import { partOf } from './index.ts';

export const t = partOf(configuration);
