/** `meta/v1` MicroTime: RFC 3339 with exactly six digits after the point. */
export function microTime(date: Date): string {
  return date.toISOString().replace('Z', '000Z');
}
