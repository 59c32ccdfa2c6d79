/** A message of the status holds at most 256 bytes: cut at a character, with an ellipsis. */
export function clip(message: string, bytes = 256): string {
  const line = message.replaceAll(/\s+/g, ' ').trim();
  if (Buffer.byteLength(line) <= bytes) return line;
  let kept = '';
  let size = Buffer.byteLength('…');
  for (const character of line) {
    size += Buffer.byteLength(character);
    if (size > bytes) break;
    kept += character;
  }
  return `${kept}…`;
}
