/** What a file holds, as far as its name and its first looks tell. */
export type InputKind = 'objects' | 'policy' | 'neither';

/**
 * A file named .yaml, .yml or .json holds Kubernetes objects, and so does a text that begins with `{` or `[` or has a line
 * that begins with `apiVersion:` or `kind:`; no AppArmor policy can. Anything else is a policy if its first word can begin
 * one, or if its first line or the end of any line opens a block: broken policies are policies, too.
 */
export function inputKind(name: string, text: string): InputKind {
  if (/\.(?:ya?ml|json)$/i.test(name)) return 'objects';
  if (/^\s*[{[]/.test(text) || OBJECT_FIELD.test(text)) return 'objects';
  if (text.trim() === '') return 'neither';
  const rules = text.replaceAll(/^[ \t]*#(?!include\b).*$/gm, '').trimStart();
  const isPolicy = rules === '' || POLICY_START.test(rules) || OPENS_BLOCK.test(rules) || BLOCK_AT_LINE_END.test(rules);
  return isPolicy ? 'policy' : 'neither';
}

const OBJECT_FIELD = /^[ \t\uFEFF]*["']?(?:apiVersion|kind)["']?[ \t]*:(?:\s|$)/m;
const POLICY_START = /^(?:(?:profile|hat|abi|#?include|alias|set|if)\b|[\^@$":&/])/;
const OPENS_BLOCK = /^[^\n]*\s\{/;
const BLOCK_AT_LINE_END = /\{[ \t]*$/m;
