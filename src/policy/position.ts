/** Line and column in the user's text, both from 1; columns count UTF-16 units as editors do. */
export interface Position {
  line: number;
  column: number;
}

/** Offsets to positions: one pass over the text, then a binary search per question. */
export function positionsOf(text: string): (at: number) => Position {
  const starts = [0];
  for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', end + 1)) starts.push(end + 1);
  return (at) => {
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] ?? 0) <= at) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: at - (starts[low] ?? 0) + 1 };
  };
}
