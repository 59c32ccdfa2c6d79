/**
 * The first place that looks like text of a template engine. `{{,usr/}bin,sbin}` and `{{-,_}@{rand},}` are valid nested
 * alternations, so braces alone say nothing: only `{{ x`, `{{.x`, `{{$x`, `{{- x`, `{{word}}` and `{% ` do.
 */
export function findTemplateText(text: string): { at: number; template: string } | undefined {
  for (let at = text.indexOf('{'); at !== -1; at = text.indexOf('{', at + 1)) {
    const second = text[at + 1];
    if (second !== '{' && second !== '%') continue;
    // Bounded, so that a text of braces alone is still read in linear time.
    const rest = text.slice(at, at + 120);
    const template = TEMPLATE.exec(rest)?.[0];
    if (template !== undefined && !isComment(text, at)) return { at, template };
  }
  return undefined;
}

const TEMPLATE =
  /^(?:\{\{(?:-?[ \t]+[^{}\n]{1,80}|-?[.$][^{}\n]{1,80}|\w{1,80}(?:\.\w{1,80})?)\}\}|\{%-?[ \t][^\n]{1,80}%\})/;

function isComment(text: string, at: number): boolean {
  const line = text.slice(Math.max(text.lastIndexOf('\n', at) + 1, at - 400), at);
  return /^\s*#(?!include)/.test(line);
}
