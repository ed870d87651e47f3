// Files that the page hands to the browser, and comma-separated values as RFC 4180 has them.

/** A text that a spreadsheet would take for a formula gets an apostrophe: what strangers have typed stands in such files. */
function cell(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export const csv = (rows: string[][]): string => rows.map((row) => `${row.map(cell).join(',')}\r\n`).join('');

/** Hands a file to the browser, which asks where it goes. */
export function hand(blob: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // The browser has taken it by then; without this it stays in memory as long as the page.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
