import type { Point } from './results.ts';

const PANEL = { width: 300, height: 220, left: 56, top: 40, right: 24, bottom: 36 } as const;
const FIGURES = [
  { key: 'seconds', title: 'seconds until Ready' },
  { key: 'writes', title: 'writes to the API server' },
  { key: 'controllerMB', title: 'memory of the controller, MB' },
] as const;
const CURVES = ['nodes', 'policies'] as const;

/** The measured points on logarithmic axes, an SVG: what grows linearly runs along the dashed line through the first of them. */
export function growthPlot(points: readonly Point[]): string {
  const panels = CURVES.flatMap((of, row) => {
    const curve = points.filter((point) => point.of === of).toSorted((left, right) => left.size - right.size);
    return FIGURES.map(({ key, title }, column) => {
      const values = curve.map((point) => ({ size: point.size, value: point[key] }));
      const at = `translate(${column * PANEL.width} ${row * PANEL.height})`;
      return `<g transform="${at}">${panel(`${title}, by ${of}`, values)}</g>`;
    });
  });
  const [width, height] = [PANEL.width * FIGURES.length, PANEL.height * CURVES.length];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11">`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
    ...panels,
    '</svg>',
    '',
  ].join('\n');
}

interface Value {
  size: number;
  value: number;
}

function panel(title: string, values: readonly Value[]): string {
  const heading = `<text x="${PANEL.left}" y="20" font-weight="bold">${title}</text>`;
  const [first] = values;
  const last = values.at(-1);
  if (first === undefined || last === undefined || first === last) return heading;
  const linear = (first.value * last.size) / first.size;
  const x = scale([first.size, last.size], [PANEL.left, PANEL.width - PANEL.right]);
  const ys = [...values.map(({ value }) => value), linear];
  const y = scale([Math.min(...ys), Math.max(...ys)], [PANEL.height - PANEL.bottom, PANEL.top]);
  const place = ({ size, value }: Value): string => `${x(size)},${y(value)}`;
  const marks = values.map((one) => {
    const [cx, cy] = [x(one.size), y(one.value)];
    return [
      `<circle cx="${cx}" cy="${cy}" r="3" fill="black"/>`,
      `<text x="${cx}" y="${cy - 7}" text-anchor="middle">${Number(one.value.toPrecision(3))}</text>`,
      `<text x="${cx}" y="${PANEL.height - PANEL.bottom + 18}" text-anchor="middle">${one.size}</text>`,
    ].join('');
  });
  const ideal = [first, { size: last.size, value: linear }].map(place).join(' ');
  return [
    heading,
    `<polyline points="${ideal}" fill="none" stroke="gray" stroke-dasharray="4 3"/>`,
    `<polyline points="${values.map(place).join(' ')}" fill="none" stroke="black"/>`,
    ...marks,
  ].join('');
}

/** From logarithms of values above 0 to coordinates. */
function scale([least, most]: [number, number], [from, to]: [number, number]): (value: number) => number {
  const span = Math.log(most) - Math.log(least);
  return (value) => {
    const part = span === 0 ? 0.5 : (Math.log(value) - Math.log(least)) / span;
    return Math.round(from + part * (to - from));
  };
}
