/** meta/v1 LabelSelector. Where the API says "absent", it means here what an empty one means: everything. */
export interface LabelSelector {
  matchLabels?: Readonly<Record<string, string>>;
  matchExpressions?: readonly LabelSelectorRequirement[];
}

export interface LabelSelectorRequirement {
  key: string;
  operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
  values?: readonly string[];
}

export type Labels = Readonly<Record<string, string>>;

/**
 * Whether an object with these labels is meant, as `labels.Selector` of k8s.io/apimachinery decides it: all requirements
 * must hold; NotIn and DoesNotExist also hold where the label is absent.
 */
export function selectsLabels(selector: LabelSelector | undefined, labels: Labels): boolean {
  return requirementsOf(selector).every((requirement) => holds(requirement, labels));
}

/**
 * The same selector in the one form that all selectors of the same requirements share: sorted, each value once, no empty
 * members, and a matchLabels pair for every In of one value. `{}` for an absent one.
 */
export function canonicalSelector(selector: LabelSelector | undefined): LabelSelector {
  const labels = new Map<string, string>();
  const expressions = new Map<string, LabelSelectorRequirement>();
  for (const { key, operator, values } of requirementsOf(selector)) {
    const sorted = [...new Set(values)].sort();
    const [only] = sorted;
    // Two different values for one key cannot both be in matchLabels; together they select nothing, and that must stay.
    if (operator === 'In' && only !== undefined && sorted.length === 1 && (labels.get(key) ?? only) === only) {
      labels.set(key, only);
    } else {
      const requirement = sorted.length === 0 ? { key, operator } : { key, operator, values: sorted };
      expressions.set(JSON.stringify(requirement), requirement);
    }
  }
  return {
    ...(labels.size === 0 ? {} : { matchLabels: Object.fromEntries([...labels].sort(byFirst)) }),
    ...(expressions.size === 0 ? {} : { matchExpressions: [...expressions].sort(byFirst).map(([, value]) => value) }),
  };
}

/**
 * Labels that the selector selects, as few as possible; undefined where it selects nothing at all. Every value comes from
 * the selector or is a letter with digits, so the labels are valid ones if the selector is.
 */
export function labelsSelectedBy(selector: LabelSelector | undefined): Record<string, string> | undefined {
  const byKey = Map.groupBy(requirementsOf(selector), ({ key }) => key);
  const labels: [string, string][] = [];
  for (const [key, requirements] of byKey) {
    if (requirements.every((requirement) => holds(requirement, {}))) continue;
    const named = requirements.flatMap(({ values }) => values ?? []);
    // More values than are named: one of them is excluded by nobody.
    const others = Array.from({ length: named.length + 1 }, (_, index) => `v${index}`);
    const value = [...named, ...others].find((candidate) =>
      requirements.every((requirement) => holds(requirement, Object.fromEntries([[key, candidate]]))),
    );
    if (value === undefined) return undefined;
    labels.push([key, value]);
  }
  return Object.fromEntries(labels);
}

function requirementsOf(selector: LabelSelector | undefined): LabelSelectorRequirement[] {
  return [
    ...Object.entries(selector?.matchLabels ?? {}).map(([key, value]): LabelSelectorRequirement => ({
      key,
      operator: 'In',
      values: [value],
    })),
    ...(selector?.matchExpressions ?? []),
  ];
}

function holds({ key, operator, values = [] }: LabelSelectorRequirement, labels: Labels): boolean {
  // A label may be called `constructor`, which every object has.
  return HOLDS[operator](Object.hasOwn(labels, key) ? labels[key] : undefined, values);
}

const HOLDS = {
  In: (value, values) => value !== undefined && values.includes(value),
  NotIn: (value, values) => value === undefined || !values.includes(value),
  Exists: (value) => value !== undefined,
  DoesNotExist: (value) => value === undefined,
} as const satisfies Record<
  LabelSelectorRequirement['operator'],
  (value: string | undefined, values: readonly string[]) => boolean
>;

function byFirst([left]: readonly [string, unknown], [right]: readonly [string, unknown]): number {
  return left < right ? -1 : 1;
}
