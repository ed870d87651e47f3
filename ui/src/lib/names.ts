// Names that people type into one field.

/** Splits names at spaces and commas; each once. */
export const split = (text: string): string[] => [...new Set(text.split(/[\s,]+/).filter((name) => name !== ''))];
