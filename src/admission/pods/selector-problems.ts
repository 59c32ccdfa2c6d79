import type { LabelSelector } from './label-selector.ts';

/** What the API server would not take in a selector; `path` begins with the given one, as `selector.matchLabels[a b]`. */
export interface SelectorProblem {
  path: string;
  message: string;
}

/** Problems by the rules of `ValidateLabelSelector` of k8s.io/apimachinery, which webhook configurations are subject to. */
export function selectorProblems(selector: LabelSelector, path: string): SelectorProblem[] {
  return [
    ...Object.entries(selector.matchLabels ?? {}).flatMap(([key, value]) => {
      const at = `${path}.matchLabels[${shown(key)}]`;
      return [...keyProblems(key, at), ...valueProblems(value, at)];
    }),
    ...(selector.matchExpressions ?? []).flatMap(({ key, operator, values = [] }, index) => {
      const at = `${path}.matchExpressions[${index}]`;
      return [
        ...keyProblems(key, `${at}.key`),
        ...countProblems(operator, values, at),
        ...values.flatMap((value, position) => valueProblems(value, `${at}.values[${position}]`)),
      ];
    }),
  ];
}

const WORD = '[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?';
const NAME = new RegExp(`^${WORD}$`);
const DNS_LABEL = '[a-z0-9](?:[-a-z0-9]*[a-z0-9])?';
const SUBDOMAIN = new RegExp(`^${DNS_LABEL}(?:\\.${DNS_LABEL})*$`);

function keyProblems(key: string, path: string): SelectorProblem[] {
  const slash = key.indexOf('/');
  const prefix = slash < 0 ? undefined : key.slice(0, slash);
  const name = key.slice(slash + 1);
  const prefixFits = prefix === undefined || (prefix.length <= 253 && SUBDOMAIN.test(prefix));
  if (prefixFits && name.length <= 63 && NAME.test(name)) return [];
  return [{ path, message: `${shown(key)} cannot be the key of a label` }];
}

function valueProblems(value: string, path: string): SelectorProblem[] {
  if (value === '' || (value.length <= 63 && NAME.test(value))) return [];
  return [{ path, message: `${shown(value)} cannot be the value of a label` }];
}

function countProblems(operator: string, values: readonly string[], at: string): SelectorProblem[] {
  const path = `${at}.values`;
  switch (operator) {
    case 'In':
    case 'NotIn':
      return values.length > 0 ? [] : [{ path, message: `must be given for the operator ${operator}` }];
    case 'Exists':
    case 'DoesNotExist':
      return values.length === 0 ? [] : [{ path, message: `must be absent for the operator ${operator}` }];
    default:
      return [{ path: `${at}.operator`, message: `${shown(operator)} is none of In, NotIn, Exists, DoesNotExist` }];
  }
}

function shown(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 79)}…` : text);
}
